//! The fields of an X.509 certificate, read from its DER encoding.

use std::net::IpAddr;

use yasna::models::ObjectIdentifier;
use yasna::{ASN1Result, BERReader, Tag, TagClass, tags};

/// The fields of a certificate that are shown.
pub(crate) struct Fields {
    pub(crate) serial: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// In seconds since 1970.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// Of the alternative names, the DNS names and addresses.
    pub(crate) names: Vec<String>,
}

/// The identifier of the extension that has the alternative names.
const ALTERNATIVE_NAMES: &[u64] = &[2, 5, 29, 17];

/// The abbreviations of the attributes that are common in names (RFC 4514 and OpenSSL's).
const ATTRIBUTES: &[(&[u64], &str)] = &[
    (&[2, 5, 4, 3], "CN"),
    (&[2, 5, 4, 4], "SN"),
    (&[2, 5, 4, 5], "serialNumber"),
    (&[2, 5, 4, 6], "C"),
    (&[2, 5, 4, 7], "L"),
    (&[2, 5, 4, 8], "ST"),
    (&[2, 5, 4, 9], "street"),
    (&[2, 5, 4, 10], "O"),
    (&[2, 5, 4, 11], "OU"),
    (&[2, 5, 4, 12], "title"),
    (&[2, 5, 4, 42], "GN"),
    (&[0, 9, 2342, 19_200_300, 100, 1, 1], "UID"),
    (&[0, 9, 2342, 19_200_300, 100, 1, 25], "DC"),
    (&[1, 2, 840, 113_549, 1, 9, 1], "emailAddress"),
];

/// Reads a certificate.
pub(crate) fn read(der: &[u8]) -> ASN1Result<Fields> {
    yasna::parse_der(der, |certificate| {
        certificate.read_sequence(|parts| {
            let fields = parts.next().read_sequence(|parts| {
                // The version, which changes nothing here.
                parts.read_optional(|version| {
                    version.read_tagged(Tag::context(0), |version| version.read_i64())
                })?;
                let serial = serial(parts.next().read_tagged_der()?.value());
                // The algorithm of the signature.
                parts.next().read_der()?;
                let issuer = name(parts.next())?;
                let (not_before, not_after) = parts
                    .next()
                    .read_sequence(|parts| Ok((time(parts.next())?, time(parts.next())?)))?;
                let subject = name(parts.next())?;
                // The public key, and two identifiers that nobody uses.
                parts.next().read_der()?;
                for tag in [1, 2] {
                    parts.read_optional(|id| {
                        id.read_tagged_implicit(Tag::context(tag), |id| id.read_bitvec_bytes())
                    })?;
                }
                let names = parts.read_optional(|extensions| {
                    extensions.read_tagged(Tag::context(3), alternative_names)
                })?;
                Ok(Fields {
                    serial,
                    issuer,
                    subject,
                    not_before,
                    not_after,
                    names: names.unwrap_or_default(),
                })
            })?;
            // The algorithm once more, and the signature.
            parts.next().read_der()?;
            parts.next().read_der()?;
            Ok(fields)
        })
    })
}

/// `00:c3:5f`
fn serial(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

/// `C=CH, O=Bank + OU=Tests, CN=bank.test`
fn name(reader: BERReader<'_, '_>) -> ASN1Result<String> {
    let mut parts = Vec::new();
    reader.read_sequence_of(|part| {
        let mut attributes = Vec::new();
        part.read_set_of(|attribute| {
            attributes.push(attribute.read_sequence(|parts| {
                let id = parts.next().read_oid()?;
                let value = parts.next().read_tagged_der()?;
                let known = ATTRIBUTES
                    .iter()
                    .find(|(known, _)| id.components()[..] == **known);
                let value = text(value.tag(), value.value());
                Ok(match known {
                    Some((_, short)) => format!("{short}={value}"),
                    None => format!("{id}={value}"),
                })
            })?);
            Ok(())
        })?;
        parts.push(attributes.join(" + "));
        Ok(())
    })?;
    Ok(parts.join(", "))
}

/// A value of a name: a string of one of several kinds, or something else.
fn text(tag: Tag, bytes: &[u8]) -> String {
    const T61STRING: Tag = Tag {
        tag_class: TagClass::Universal,
        tag_number: 20,
    };
    const STRINGS: [Tag; 6] = [
        tags::TAG_UTF8STRING,
        tags::TAG_PRINTABLESTRING,
        tags::TAG_IA5STRING,
        T61STRING,
        tags::TAG_VISIBLESTRING,
        tags::TAG_NUMERICSTRING,
    ];
    if tag == tags::TAG_BMPSTRING {
        let units = bytes.chunks(2).map(|pair| match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            _ => u16::from(b'?'),
        });
        return String::from_utf16_lossy(&units.collect::<Vec<_>>());
    }
    match STRINGS.contains(&tag) {
        true => String::from_utf8_lossy(bytes).into_owned(),
        false => format!("#{}", serial(bytes)),
    }
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    match reader.lookahead_tag()? {
        tags::TAG_UTCTIME => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        _ => {
            let time = reader.read_generalized_time()?;
            Ok(time.datetime().unix_timestamp())
        }
    }
}

/// The DNS names and addresses among the alternative names of the extensions.
fn alternative_names(extensions: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let wanted = ObjectIdentifier::from_slice(ALTERNATIVE_NAMES);
    let mut names = Vec::new();
    extensions.read_sequence_of(|extension| {
        extension.read_sequence(|parts| {
            let id = parts.next().read_oid()?;
            parts.read_optional(|critical| critical.read_bool())?;
            let value = parts.next().read_bytes()?;
            // A certificate with an extension that cannot be read is shown without it.
            if id == wanted
                && let Ok(found) = yasna::parse_der(&value, general_names)
            {
                names = found;
            }
            Ok(())
        })
    })?;
    Ok(names)
}

fn general_names(reader: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let (dns, address) = (Tag::context(2), Tag::context(7));
    let mut names = Vec::new();
    reader.read_sequence_of(|name| {
        let name = name.read_tagged_der()?;
        let bytes = name.value();
        if name.tag() == dns {
            names.push(String::from_utf8_lossy(bytes).into_owned());
        } else if name.tag() == address {
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
            let address = v4.or_else(|_| v6());
            names.extend(address.ok().map(|address| address.to_string()));
        }
        Ok(())
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use rcgen::{
        CertificateParams, CustomExtension, DnType, DnValue, KeyPair, SanType, date_time_ymd,
    };

    use super::*;

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(["bank.test".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        change(&mut params);
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn all_fields_are_read() {
        let der = certificate(|params| {
            let name = &mut params.distinguished_name;
            name.push(DnType::CountryName, "CH");
            name.push(DnType::OrganizationName, "Bank & Söhne");
            let bmp = DnValue::BmpString("Prüfung".try_into().unwrap());
            name.push(DnType::OrganizationalUnitName, bmp);
            name.push(DnType::CustomDnType(vec![1, 2, 3, 4]), "own");
            name.push(DnType::CommonName, "bank.test");
            params.subject_alt_names.extend([
                SanType::IpAddress([127, 0, 0, 1].into()),
                SanType::IpAddress(Ipv6Addr::LOCALHOST.into()),
                SanType::Rfc822Name("bank@bank.test".try_into().unwrap()),
                SanType::DnsName("*.bank.test".try_into().unwrap()),
            ]);
            params.serial_number = Some(vec![1, 0xab].into());
            params.not_before = date_time_ymd(1969, 12, 31);
            // Years from 2050 on are written in another way.
            params.not_after = date_time_ymd(2345, 6, 7);
        });
        let fields = read(&der).unwrap();
        assert_eq!(fields.serial, "01:ab");
        let name = "CN=bank.test, C=CH, O=Bank & Söhne, OU=Prüfung, 1.2.3.4=own";
        let mut parts: Vec<_> = name.split(", ").collect();
        let mut read: Vec<_> = fields.subject.split(", ").collect();
        parts.sort();
        read.sort();
        assert_eq!(read, parts);
        assert_eq!(fields.issuer, fields.subject);
        assert_eq!(fields.not_before, -86_400);
        assert_eq!(fields.not_after, 11_847_427_200);
        assert_eq!(
            fields.names,
            ["bank.test", "127.0.0.1", "::1", "*.bank.test"]
        );
    }

    #[test]
    fn names_that_cannot_be_read_are_left_out() {
        let broken = CustomExtension::from_oid_content(ALTERNATIVE_NAMES, b"none".to_vec());
        let der = certificate(|params| {
            params.subject_alt_names.clear();
            params.custom_extensions.push(broken);
        });
        assert!(read(&der).unwrap().names.is_empty());
    }

    #[test]
    fn no_byte_of_a_certificate_may_panic() {
        let der = certificate(|_| {});
        for end in 0..der.len() {
            assert!(read(&der[..end]).is_err(), "{end} bytes");
        }
        let mut changed = der.clone();
        for index in 0..der.len() {
            for bit in 0..8 {
                changed[index] ^= 1 << bit;
                // Often still a certificate: the signature is not looked at.
                let _ = read(&changed);
                changed[index] = der[index];
            }
        }
    }
}
