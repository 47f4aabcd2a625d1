"""Passwords: unknown names cost what known ones do, what was found is remembered, and guesses starve nobody."""

from __future__ import annotations

import asyncio
import base64
import threading

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperjobs.secret import Secret
from hyperjobs.web import password as module
from hyperjobs.web.password import PasswordChecker, TooManyLoginsError


def hashed(password: str, cost: int = 4) -> Secret:
    return Secret(bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode())


def header(user: str, password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


USERS = {"alice": hashed("wonderland"), "bob": hashed("builder", 5)}


@pytest.fixture
def costs(monkeypatch):
    """The cost of each hash that bcrypt really computed."""
    computed: list[int] = []
    real = bcrypt.checkpw

    def counted(password, stored):
        computed.append(int(stored[4:6]))
        return real(password, stored)

    monkeypatch.setattr(module.bcrypt, "checkpw", counted)
    return computed


def ask(*headers, users=USERS):
    async def all_of_them():
        checker = PasswordChecker()
        return [await checker.is_user(each, users) for each in headers]

    return asyncio.run(all_of_them())


def test_a_user_is_let_in_by_the_right_password_alone():
    assert ask(
        header("alice", "wonderland"),
        header("bob", "builder"),
        header("alice", "builder"),
        header("mallory", "builder"),
    ) == [True, True, False, False]


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YWxpY2U=",
        "Bearer x",
        "Basic /w==",
        "YWxpY2U6d29uZGVybGFuZA==",
        header("alice", "wonderland") + ", " + header("alice", "wonderland"),
    ],
)
def test_a_malformed_header_is_nobody_and_costs_nothing(malformed, costs):
    assert ask(malformed) == [False]
    assert costs == []


def test_the_scheme_is_read_in_any_case_and_each_form_of_a_hash_is_known():
    forms = {
        name: Secret(USERS["alice"].reveal().replace("$2b$", form)) for name, form in (("a", "$2a$"), ("y", "$2y$"))
    }

    assert ask(header("a", "wonderland", "bAsIc"), header("y", "wonderland"), users=forms) == [True, True]


def test_a_password_is_cut_where_bcrypt_cuts_it_and_may_hold_anything():
    users = {"long": hashed("x" * 72), "odd": hashed("pä:ss\0w")}

    assert ask(header("long", "x" * 90), header("long", "x" * 71), header("odd", "pä:ss\0w"), users=users) == [
        True,
        False,
        True,
    ]


def test_an_unknown_name_costs_what_a_known_one_does(costs):
    names = [f"nobody-{number}" for number in range(60)]
    answers = ask(*(header(name, "x") for name in names))
    unknown, costs[:] = list(costs), []

    assert answers == [False] * 60
    assert len(unknown) == 60  # one computation each
    assert set(unknown) == {4, 5}  # and of the costs that users have: no third one gives strangers away
    ask(header("alice", "x"), header("bob", "x"))
    assert costs == [4, 5]


def test_a_name_costs_the_same_each_time_it_is_tried(costs):
    ask(*(header("nobody", str(number)) for number in range(8)))

    assert len(costs) == 8
    assert len(set(costs)) == 1


def test_the_password_that_a_stranger_is_compared_with_does_not_let_him_in():
    assert ask(header("nobody", "x"), header("nobody", "wonderland"), users={"alice": USERS["alice"]}) == [False, False]


def test_what_was_found_is_remembered_right_or_wrong(costs):
    assert ask(*[header("alice", "wonderland")] * 5, *[header("alice", "no")] * 5) == [True] * 5 + [False] * 5
    assert len(costs) == 2


def test_another_hash_for_the_user_is_looked_at_anew(costs):
    async def before_and_after():
        checker = PasswordChecker()
        asked = header("alice", "wonderland")
        return [
            await checker.is_user(asked, users)
            for users in (USERS, {"alice": hashed("changed")}, {"bob": USERS["bob"]}, USERS)
        ]

    assert asyncio.run(before_and_after()) == [True, False, False, True]
    assert len(costs) == 3


def test_guesses_do_not_push_out_who_is_known(costs, monkeypatch):
    monkeypatch.setattr(module, "_MAX_KNOWN", 4)

    guesses = [header("alice", str(number)) for number in range(20)]
    assert ask(header("alice", "wonderland"), *guesses, header("alice", "wonderland"))[-1]
    assert len(costs) == 21

    async def remembered():
        checker = PasswordChecker()
        for guess in guesses:
            await checker.is_user(guess, USERS)
        return len(checker._wrong)

    assert asyncio.run(remembered()) == 4


def test_one_password_is_computed_at_a_time_the_same_once_and_too_many_are_turned_away(monkeypatch):
    at_work, most, entered, may_go = [0], [0], threading.Event(), threading.Event()
    real = bcrypt.checkpw

    def slow(password, stored):
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        entered.set()
        may_go.wait(10)
        at_work[0] -= 1
        return real(password, stored)

    monkeypatch.setattr(module.bcrypt, "checkpw", slow)

    async def crowd():
        checker = PasswordChecker()
        assert not await checker.is_user("Basic !", USERS)
        same = [asyncio.create_task(checker.is_user(header("alice", "wonderland"), USERS)) for _ in range(20)]
        others = [asyncio.create_task(checker.is_user(header("bob", str(number)), USERS)) for number in range(30)]
        await asyncio.to_thread(entered.wait, 10)
        refused, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        assert len(refused) == 15  # 16 may wait, and all of the same are one
        assert all(isinstance(task.exception(), TooManyLoginsError) for task in refused)
        same[0].cancel()  # the one whose password it began with leaves; the others get their answer
        may_go.set()
        return await asyncio.gather(*same[1:])

    assert asyncio.run(crowd()) == [True] * 19
    assert most == [1]


def test_closing_waits_for_no_password(monkeypatch):
    has_begun, may_end = threading.Event(), threading.Event()

    def slow(*_):
        has_begun.set()
        return may_end.wait(10)

    monkeypatch.setattr(module.bcrypt, "checkpw", slow)

    async def leave():
        checker = PasswordChecker()
        task = asyncio.create_task(checker.is_user(header("alice", "x"), USERS))
        assert await asyncio.to_thread(has_begun.wait, 10)
        await checker.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    may_end.set()


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_no_header_raises(text):
    ask(text, "Basic " + base64.b64encode(text.encode("utf-8", "surrogatepass")).decode(), users={"a": USERS["alice"]})
