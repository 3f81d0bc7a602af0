"""What a mailbox does to programs, and which tests show that we survive it. A row without a test says why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

PLACES = (Path(__file__).parent, Path(__file__).parents[1] / "email_reading")


class Case(NamedTuple):
    """A failure, the tests that bring it about, and what of it none of them does."""

    what: str
    tests: str
    gap: str = ""


CASES = (
    Case(
        "killed between fetch, commit and move",
        "killed_again_and_again_every_mail_is_there_once the_mailbox_is_touched_after_the_commit_only",
    ),
    Case(
        "reset, FIN, BYE, half-open or frozen connections",
        "a_reset_while_waiting_is_noticed_at_once a_connection_that_is_closed_in_silence_is_noticed "
        "a_greeting_that_sends_us_away_is_told_at_once silence_is_noticed_and_the_next_connection_goes_on "
        "an_answer_that_comes_too_late_never_belongs_to_the_next_mailbox",
    ),
    Case(
        "a cut literal, 25 MB, 0 bytes, more than is taken",
        "a_cut_in_the_middle_costs_a_connection_and_no_mail a_mail_of_25_mb an_empty_mail_and_one_with_a_subject_alone_are_shown "
        "a_large_mail_is_a_file_beside_its_row_and_a_larger_one_is_told",
    ),
    Case(
        "thousands of mails at the first connect",
        "thousands_of_old_mails_cost_nothing thousands_of_old_mails_are_taken_over_once",
    ),
    Case(
        "a new UIDVALIDITY, mails moved back or copied",
        "a_new_uidvalidity_brings_nothing_twice a_mail_moved_back_by_hand_is_moved_again_and_not_taken_twice",
    ),
    Case("read or flagged by a person first", "read_by_a_person_first_it_is_taken_all_the_same"),
    Case(
        "mail that comes during a command",
        "mail_announced_during_a_fetch_ends_the_next_wait_at_once several_folders_are_watched_side_by_side",
    ),
    Case(
        "moving refused, read-only, a mail that the server cannot give",
        "when_moving_is_refused_mails_are_taken_once_and_the_operator_is_told a_read_only_mailbox_is_read_and_told "
        "what_cannot_be_moved_is_taken_once_told_and_moved_later a_mail_that_the_server_cannot_give_holds_up_no_other",
        gap="a quota that is used up is tested as a refused move: Dovecot does not count a move in one mailbox",
    ),
    Case(
        "no IDLE, MOVE or UIDPLUS; ID wanted",
        "servers_that_lack_something_are_served id_is_sent_before_a_mailbox_is_opened_as_163_wants_it",
        gap="BADCHARSET cannot come: we search by numbers, days and our own Message-ID, without a charset",
    ),
    Case(
        "expired token, wrong password, locked account",
        "an_expired_token_is_refused_without_hanging a_wrong_password_stops_the_account_and_is_told "
        "a_refused_token_is_fetched_anew_at_the_next_attempt",
    ),
    Case(
        "wrong CA or name, plain port, STARTTLS stripped",
        "a_wrong_certificate_is_refused_and_told a_plain_port_is_not_spoken_to starttls_must_succeed",
        gap="STARTTLS injection: IMAP has no STARTTLS here; for SMTP aiosmtplib throws away what came before TLS",
    ),
    Case(
        "one Message-ID with two bodies, none, one mail in two mailboxes",
        "a_reused_message_id_with_another_body_is_another_message without_a_message_id_each_is_one "
        "the_same_mail_by_two_ways_is_marked_as_a_copy",
    ),
    Case("mails of all kinds", "any_bytes any_header broken_mails no_view_is_empty_and_nothing_is_lost"),
    Case(
        "hostile mail",
        "hostile_mail hostile_mail_is_shown_and_the_next_one_goes_on a_mail_that_eats_memory_is_ended "
        "a_slow_mail_is_ended_by_the_clock_and_the_next_goes_on",
    ),
    Case(
        "quoted history of all programs",
        "history_and_signature_go forwards_stay_whole words_that_look_like_marks_stay answer_below_the_quote "
        "answers_between_the_lines_keep_their_questions a_complaint_from_the_first_mail_to_the_survey",
    ),
    Case(
        "a subject alone, nothing, a picture alone",
        "only_a_subject next_to_nothing only_a_picture an_empty_mail_and_one_with_a_subject_alone_are_shown",
    ),
    Case(
        "out-of-office, robots, two ticket systems, our own address",
        "automatic_replies machines_are_quiet_records what_may_not_be_answered_goes_to_a_person "
        "two_ticket_systems_come_to_an_end our_own_mail_coming_back_is_an_echo a_domain_has_a_cap_and_a_large_provider_none",
    ),
    Case(
        "bounces, delays, spam reports, read receipts",
        "a_mail_that_cannot_be_delivered_comes_back_into_its_conversation a_delay_calls_nobody free_text_bounces "
        "a_bounce_of_nothing_of_ours_is_filed a_spam_report_flags_the_mail_it_is_about a_read_receipt_is_a_quiet_record",
    ),
    Case(
        "strangers with stolen references, forged and old tokens",
        "references_join_participants_and_link_strangers forged_tokens_join_nothing "
        "our_case_number_in_a_subject_joins_participants_and_links_strangers old_key_still_counts "
        "a_stranger_with_stolen_marks_gets_a_linked_thread the_token_alone_brings_an_answer_home",
    ),
    Case(
        "forged staff, forged results, two senders",
        "whoever_calls_himself_staff_has_no_rights two_senders_are_never_verified our_own_server_alone_can_verify_a_sender",
    ),
    Case("a colleague answers, then the customer", "a_colleague_in_copy_stays_in_the_conversation"),
    Case("forwards", "a_forward_is_new_and_linked references_join_participants_and_link_strangers"),
    Case("an answer before its mail", "an_answer_that_overtook_its_mail_is_joined"),
    Case(
        "every answer of an SMTP server",
        "every_answer_of_a_server_says_what_is_next a_wrong_password_is_tried_once",
        gap="several recipients: a mail of ours has one",
    ),
    Case("a crash between 250 and the commit", "the_message_id_is_stable_and_stored_before"),
    Case(
        "injection by subject, name, address or file name",
        "headers_cannot_be_injected an_address_that_is_none_is_not_written_to file_names a_long_name_keeps_its_suffix",
    ),
    Case("a plus address that was stripped", "references_join_a_participant"),
    Case("wrong and missing dates", "impossible_dates_give_way_to_the_servers dates"),
    Case(
        "a long outage, then everything at once",
        "an_outage_is_made_up_for an_outage_with_many_mails_is_drained_and_answers_are_capped",
        gap="300 mails stand for 5000; the long run is `python -m tests.bench --only g`",
    ),
    Case("old mail taken over", "an_mbox_is_taken_over_once_and_nobody_hears_of_it"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_each_case_names_tests_that_exist(case: Case) -> None:
    source = "\n".join(path.read_text("utf-8") for place in PLACES for path in place.glob("test_*.py"))
    there = set(re.findall(r"(?m)^(?:async )?def test_(\w+)\(", source))
    assert case.tests
    assert set(case.tests.split()) <= there
