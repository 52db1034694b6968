"""What a reply to an approval mail says, and which mails are none."""

from __future__ import annotations

from email import message_from_string, policy
from email.message import EmailMessage

import pytest

from aegis.builtin.approvers import reply
from aegis.model import CallerError
from aegis.plugin.channel import Forged

ID, WORD = "ap_0123456789abcdef", "abcdefghijklmnopqrstuvwx23"
MARY = "mary@example.com"
PASSED = "mx.example.org; spf=pass; dkim=pass (2048-bit key) header.d=example.com"


SUBJECT = f"Re: Approval: x {reply.tag(ID, WORD)}"


def written(text, sender=f"Mary <{MARY}>", subject=SUBJECT, **more):
    mail = EmailMessage()
    mail["From"], mail["Subject"] = sender, subject
    for name, value in more.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


QUOTED = f"""
On Tue, 24 Nov 2026 at 10:00, Aegis <aegis@example.org> wrote:
> {reply.MARK}
> bot asks for deploy shop
> approve
"""


BROKEN = f"From: charset=..:\nSubject: {SUBJECT}\n\napprove\n".encode()
"""A mail whose sender breaks the parser of the standard library."""


class TestWhatAReplySays:
    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ("approve\n", True),
            ("  Approved \n", True),
            ("YES\n\n\n", True),
            ("deny", False),
            ("No\n", False),
            ("approve\n" + QUOTED, True),
            ("deny\n" + QUOTED, False),
            ("approve\n\nAm 24.11.2026 schrieb Aegis:\n> approve", True),
            ("approve\n-- \nMary\nHead of things", True),
            (f"approve\n\nVon: Aegis\nAn: Mary\nBetreff:\n{reply.MARK}\nand so on", True),
            ("approve\n\nOn Tuesday\nsomebody wrote:\n\n> x", True),
        ],
    )
    def test_a_word_alone_is_an_answer(self, text, answer):
        said = reply.read(written(text), "")
        assert (said.approval, said.word, said.sender) == (ID, WORD, MARY)
        assert said.approve is answer

    @pytest.mark.parametrize(
        "text",
        [
            "I do NOT approve",
            "do not approve",
            "approve not",
            "approve?",
            "approve\nbut only tomorrow",
            "approve\n\nwait, no",
            "approve deny",
            "approve\ndeny",
            "not\napprove",
            "",
            "\n\n\n",
            QUOTED,
            "> approve",
            f"{reply.MARK}\napprove",
            "-- \napprove",
            "yes, once the tests pass",
            "Ich genehmige nicht",
            "approve\u200b",
            "a\u0440prove",
            "approve " * 40,
            "no\n\nyes",
            "approve\n\nbut only once you have done this:",
        ],
    )
    def test_anything_else_is_none(self, text):
        assert reply.read(written(text), "").approve is None

    def test_markup_alone_is_none(self):
        mail = EmailMessage()
        mail["From"], mail["Subject"] = MARY, f"Re: {reply.tag(ID, WORD)}"
        mail.set_content("<p>approve</p>", subtype="html")
        assert reply.read(mail.as_bytes(), "").approve is None
        mail = message_from_string(mail.as_string(), policy=policy.default)
        mail.make_mixed()
        mail.add_attachment("approve", filename="approve.txt")
        assert reply.read(mail.as_bytes(), "").approve is None

    def test_a_plain_part_beside_markup_is_read(self):
        mail = message_from_string(written("approve").decode(), policy=policy.default)
        mail.add_alternative("<p>deny</p>", subtype="html")
        assert reply.read(mail.as_bytes(), "").approve is True

    @pytest.mark.parametrize(
        "more",
        [
            {"subject": "Re: Approval: x"},
            {"subject": f"{reply.tag(ID, WORD)} {reply.tag(ID, WORD)}"},
            {"subject": f"[aegis {ID} {WORD[:-1]}]"},
            {"Auto_Submitted": "auto-replied"},
            {"Precedence": "bulk"},
            {"Return_Path": "<>"},
            {"X_Autoreply": "yes"},
            {"List_Id": "<deploys.example.com>"},
        ],
    )
    def test_what_is_no_reply_of_a_person_to_ours_is_passed_over(self, more):
        assert reply.read(written("approve", **more), "") is None

    @pytest.mark.parametrize("sender", [f"{MARY}, john@example.com", "undisclosed", ""])
    def test_a_mail_has_one_sender(self, sender):
        with pytest.raises(Forged, match="one sender"):
            reply.read(written("approve", sender=sender), "")

    @pytest.mark.parametrize(
        "results",
        [
            PASSED,
            "mx.example.org 1; dmarc=pass (p=reject) header.from=example.com",
            "mx.example.org; dkim=fail header.d=x.org; dkim=pass header.i=@example.com",
        ],
    )
    def test_the_receiving_server_vouches_for_the_sender(self, results):
        mail = written("approve", Authentication_Results=results)
        assert reply.read(mail, "mx.example.org").approve is True

    @pytest.mark.parametrize(
        "results",
        [
            None,
            "mx.example.org; none",
            "mx.example.org; dkim=fail header.d=example.com",
            "mx.example.org; dkim=pass header.d=evil.example",
            "mx.example.org; dkim=pass header.d=ample.com",
            "mx.example.org; dkim=pass",
            "mx.example.org; spf=pass smtp.mailfrom=example.com",
            "mx.evil.example; dkim=pass header.d=example.com",
            "mx.example.org; dkim=fail (dkim=pass header.d=example.com)",
            "mx.example.org; x=y; note=dkim=pass header.d=example.com",
            'mx.example.org; spf=pass smtp.mailfrom="a; dkim=pass header.d=example.com"@e.example',
            "mx.example.org; spf=fail (of (a) b; dkim=pass header.d=example.com (x) )",
            r'mx.example.org; spf=pass smtp.mailfrom="\"; dkim=pass header.d=example.com;"@e.org',
            'mx.example.org; spf=fail reason="; dkim=pass header.d=example.com',
        ],
    )
    def test_or_the_reply_is_forged(self, results):
        more = {"Authentication_Results": results} if results else {}
        with pytest.raises(Forged, match="genuine"):
            reply.read(written("approve", **more), "mx.example.org")

    def test_the_first_word_of_the_server_counts_not_what_a_sender_put_below(self):
        mail = written("approve", Authentication_Results="mx.example.org; dkim=fail").decode()
        mail = mail.replace("\n\n", f"\nAuthentication-Results: {PASSED}\n\n", 1)
        with pytest.raises(Forged, match="genuine"):
            reply.read(mail.encode(), "mx.example.org")

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00\xff" * 500,
            b"Subject: [aegis " + ID.encode() + b" " + WORD.encode() + b"]\nFrom: a@b\n"
            b"Content-Type: text/plain; charset=nonsense\n\napprove",
            b"Subject: [aegis " + ID.encode() + b" " + WORD.encode() + b"]\nFrom: a@b\n"
            b"Content-Transfer-Encoding: base64\n\n!!!!",
            b"Subject: x\n" * 5000,
            BROKEN,
            BROKEN.replace(b"charset=..:", b"mary@["),
            BROKEN.replace(b"charset=..:", b"(" * 20_000 + b"a@b"),
            BROKEN.replace(b"charset=..:", b":;\\\ta"),
        ],
    )
    def test_garbage_is_no_answer(self, data):
        try:
            said = reply.read(data, "")
        except (CallerError, Forged):
            return
        assert said is None or said.approve is None
