//! Which errors `?` takes, and the macro that makes one of them.

use miette::Diagnostic;

/// An error that `?` converts into [`Error`](crate::Error).
///
/// All public errors of standin are. For an error of your own that implements
/// [`Diagnostic`], write `impl Reportable for MyError {}`; to have its `Debug`
/// be the report as well, which is what `unwrap` shows, write
/// [`reportable!(MyError)`](crate::reportable) instead.
///
/// (A blanket conversion from every [`Diagnostic`] would leave no room for those
/// from the errors of the standard library.)
pub trait Reportable: Diagnostic + Send + Sync + 'static {
    /// The errors within this one that [`source`](std::error::Error::source)
    /// does not lead to: the one that a transparent variant passes on, all
    /// failures of a list. [`Error::find`](crate::Error::find) looks through
    /// them.
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        Vec::new()
    }
}

/// Makes errors [`Reportable`](crate::Reportable), and the report their `Debug`.
///
/// The types must implement [`Diagnostic`](crate::Diagnostic) and must not
/// derive `Debug`. Three forms:
///
/// - `reportable!(A, B);`
/// - `reportable!(A { First, Second });` for an enum with transparent variants
///   of those names, so that [`Error::find`](crate::Error::find) sees what they
///   pass on;
/// - `reportable!(A, parts = A::parts);` where that function has the signature of
///   [`Reportable::parts`](crate::Reportable::parts).
///
/// ```
/// use miette::Diagnostic;
///
/// #[derive(thiserror::Error, Diagnostic)]
/// #[error("the printer is out of paper")]
/// #[diagnostic(help("put some in"))]
/// struct OutOfPaper;
/// standin_error::reportable!(OutOfPaper);
///
/// assert_eq!(
///     format!("{OutOfPaper:?}"),
///     "the printer is out of paper\n  help: put some in"
/// );
/// ```
#[macro_export]
macro_rules! reportable {
    ($error:ident { $($variant:ident),+ $(,)? }) => {
        $crate::reportable!(@debug $error);
        impl $crate::Reportable for $error {
            fn parts(&self) -> ::std::vec::Vec<&(dyn $crate::Reportable + 'static)> {
                match self {
                    $(Self::$variant(part) => ::std::vec![part],)+
                    #[allow(unreachable_patterns, reason = "all variants may be transparent")]
                    _ => ::std::vec::Vec::new(),
                }
            }
        }
    };
    ($error:ident, parts = $parts:path) => {
        $crate::reportable!(@debug $error);
        impl $crate::Reportable for $error {
            fn parts(&self) -> ::std::vec::Vec<&(dyn $crate::Reportable + 'static)> {
                $parts(self)
            }
        }
    };
    ($($error:ident),+ $(,)?) => {
        $(
            $crate::reportable!(@debug $error);
            impl $crate::Reportable for $error {}
        )+
    };
    (@debug $error:ident) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                $crate::write_report(self, f)
            }
        }
    };
}
