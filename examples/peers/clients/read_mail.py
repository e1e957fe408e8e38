"""Reads the mail of a mailbox by POP3 from the host and port of the command line."""

import poplib
import sys

mailbox = poplib.POP3(sys.argv[1], int(sys.argv[2]), timeout=20)
print(mailbox.getwelcome().decode())
mailbox.user("alice")
mailbox.pass_("secret")
count, size = mailbox.stat()
print(f"{count} mail of {size} bytes")
for line in mailbox.retr(1)[1]:
    print(line.decode())
mailbox.quit()
