"""Says hello to a mail server at the host and port of the command line, and nothing else."""

import smtplib
import sys

smtp = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20)
print(*smtp.docmd("EHLO", "example.org"))
print(*smtp.docmd("QUIT"))
