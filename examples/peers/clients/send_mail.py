"""Sends a mail by SMTP to the host and port of the command line."""

import smtplib
import sys
from email.message import EmailMessage

mail = EmailMessage()
mail["From"] = "alice@example.com"
mail["To"] = "bob@example.com, carol@example.com"
mail["Subject"] = "Lunch"
mail.set_content("At noon?\nQUIT\n.\nYours, Alice\n")

with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), "alice.example.com", timeout=20) as smtp:
    smtp.send_message(mail)
print("sent")
