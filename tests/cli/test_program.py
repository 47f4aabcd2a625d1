"""The real program in processes of its own: exit codes, pipes, terminals and places."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import apsw
import pytest

from hyperjobs import __version__


def one_line(result, code):
    """The message of a command that failed as it should: one line, without a traceback."""
    assert result.returncode == code, result
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("hyperjobs: ")
    return lines[0]


def test_version_is_the_packages(hj):
    assert hj.run("--version").stdout == f"hyperjobs {__version__}\n"


def test_without_arguments_it_names_its_help(hj):
    result = hj.run()

    assert result.returncode == 0
    assert "hyperjobs --help" in result.stdout
    for command in ("list", "running", "failed", "show", "history", "stats", "config"):
        assert command in hj.run("--help").stdout


def test_a_mistyped_command_gets_the_nearest_one(hj):
    assert "did you mean 'list'?" in one_line(hj.run("lst"), 2)


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["config", "chek"], "check"), (["backup", "crate"], "create"), (["schedule", "previw"], "preview")],
)
def test_a_mistyped_command_of_a_group_gets_the_nearest_one(hj, words, meant):
    said = one_line(hj.run(*words), 2)

    assert (
        said == f"hyperjobs: no such command {words[1]!r}; did you mean {meant!r}? (see 'hyperjobs {words[0]} --help')"
    )


@pytest.mark.parametrize("group", ["backup", "config", "top"])
def test_a_group_alone_shows_what_is_in_it_and_is_a_usage_error(hj, group):
    result = hj.run(group)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == hj.run(group, "--help").stdout


def test_a_group_takes_v_as_every_command_does(hj):
    assert hj.run("config", "-v", "show", "--config", "nowhere").stderr.startswith("Traceback")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["list", "--stauts", "failed"],
            "no such option '--stauts'; did you mean '--status'? (see 'hyperjobs list --help')",
        ),
        (["list", "--zzz"], "no such option '--zzz' (see 'hyperjobs list --help')"),
        (
            ["--config", "x", "list"],
            "no such option '--config' before the name of a command: its options go after it (see 'hyperjobs --help')",
        ),
        (["backup", "show", "--from"], "--from wants a value (see 'hyperjobs backup show --help')"),
        (["list", "--limit"], "--limit wants a value (see 'hyperjobs list --help')"),
        (["show"], "ID is missing (see 'hyperjobs show --help')"),
        (["pause", "--for", "1h"], "--reason is missing (see 'hyperjobs pause --help')"),
        (["completion"], "SHELL is missing: one of bash, zsh, fish (see 'hyperjobs completion --help')"),
        (
            ["vacuum", "--mode", "ful"],
            "--mode: 'ful' is none of auto, incremental, full; did you mean 'full'? (see 'hyperjobs vacuum --help')",
        ),
        (["backup", "diff", "a", "b", "c"], "there is no place for 'c' (see 'hyperjobs backup diff --help')"),
        (["runs", "--limit", "x"], "--limit: 'x' is not a whole number from 1 to 10,000 (see 'hyperjobs runs --help')"),
        (["list", "--json=1"], "Option '--json' does not take a value (see 'hyperjobs list --help')"),
    ],
)
def test_a_usage_error_says_what_is_wrong_in_our_words_and_whose_help_to_read(hj, words, said):
    assert one_line(hj.run(*words), 2) == f"hyperjobs: {said}"


def test_a_word_that_no_command_resembles_gets_no_guess(hj):
    assert "did you mean" not in one_line(hj.run("zzzzzz"), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--nope"], "--nope"),
        (["list", "extra"], "extra"),
        (["show"], "ID"),
        (["list", "--limit", "0"], "--limit"),
        (["list", "--limit", "-1"], "--limit"),
        (["list", "--limit", "9" * 5000], "--limit"),
        (["list", "--offset", "x"], "--offset"),
        (["list", "--status", "faild"], "did you mean 'failed'?"),
        (["list", "--since", "7"], "has no unit"),
        (["list", "--since", "2026-02-30"], "2026-02-30"),
        (["list", "--since", "1d", "--until", "2d"], "--since is as late as --until"),
        (["list", "--after", "x"], "cursor"),
        (["stats", "--by", "week"], "week"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_2(hj, words, said):
    assert said in one_line(hj.run(*words), 2)


def test_no_such_job_is_exit_7(hj):
    assert "nobody" in one_line(hj.run("show", "nobody"), 7)


@pytest.mark.parametrize("words", [["show"], ["history"], ["list", "--user"], ["list", "--text"], ["list", "--after"]])
def test_a_word_that_is_no_text_is_a_usage_error(hj, words):
    one_line(hj.run(*words, os.fsdecode(b"\xff\xfe")), 2)


def test_a_traceback_comes_only_when_asked_for(hj):
    for words in (["-v", "show", "nobody"], ["show", "nobody", "-v"]):
        result = hj.run(*words)

        assert result.returncode == 7
        assert result.stderr.startswith("Traceback")
        assert result.stderr.splitlines()[-1].startswith("hyperjobs: ")


def test_a_missing_store_is_exit_7_and_nothing_is_created(bare):
    assert str(bare.store) in one_line(bare.run("list"), 7)
    assert not bare.store.exists()


@pytest.mark.parametrize("content", [b"", b"just text\n", b"\x7fELF" + bytes(200)])
def test_a_file_that_is_no_store_is_exit_7_and_left_alone(bare, content):
    bare.store.write_bytes(content)

    one_line(bare.run("list"), 7)

    assert bare.store.read_bytes() == content


def test_a_directory_is_no_store(bare):
    bare.store.mkdir()

    one_line(bare.run("list"), 7)


def test_another_database_is_no_store(bare):
    database = apsw.Connection(str(bare.store))
    database.execute("CREATE TABLE invoices(id)")
    database.close()

    one_line(bare.run("list"), 7)


def test_the_flag_goes_before_the_environment(hj, tmp_path):
    assert "nowhere.db" in one_line(hj.run("list", "--store", str(tmp_path / "nowhere.db")), 7)


def test_the_store_is_found_by_the_configuration_file(hj, tmp_path):
    config = tmp_path / "hyperjobs.yaml"
    config.write_text(f"store:\n  path: {hj.store}\nunknown: 1\n")

    assert "job-1" in hj.run_bare("list", "--config", str(config)).stdout
    assert "job-1" in hj.run_bare("list", env=hj.env({"HYPERJOBS_CONFIG": str(config)})).stdout


def test_the_store_is_found_by_the_users_own_configuration_file(hj):
    config = hj.home / ".config/hyperjobs/hyperjobs.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"store: {{path: {hj.store}}}\n")

    assert "job-1" in hj.run_bare("list").stdout


@pytest.mark.parametrize("text", ["a: [", "store: {path: a, path: b}\n\tx: 1", "&a b"])
def test_a_broken_configuration_file_that_was_named_is_exit_2(hj, tmp_path, text):
    config = tmp_path / "hyperjobs.yaml"
    config.write_text(text)

    assert str(config) in one_line(hj.run_bare("list", "--config", str(config)), 2)


@pytest.mark.parametrize("place", [".hypersdk/jobs.db", "hypersdk.db"])
def test_the_store_is_found_in_the_usual_places(hj, place):
    path = hj.home / place
    path.parent.mkdir(exist_ok=True)
    hj.store.rename(path)

    assert "job-1" in hj.run_bare("list").stdout


def test_no_store_anywhere_is_exit_7_and_names_the_places(bare):
    message = one_line(bare.run_bare("list"), 7)

    for place in ("--store", "HYPERJOBS_STORE__PATH", "~/.hypersdk/jobs.db", "./hypersdk.db", "hyperjobs.yaml"):
        assert place in message


def test_a_reader_that_leaves_early_is_no_error(many_jobs):
    result = many_jobs.shell("hj list --limit all | head -1; echo ${PIPESTATUS[0]}")

    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 2
    assert result.stdout.splitlines()[1] == "141"


def test_the_command_for_the_next_page_can_be_pasted(many):
    words = "list --text 'Export job' --offset 1"
    seen = []
    while words:
        result = many.shell(f"hj {words}")
        seen += [line.split("\t")[0] for line in result.stdout.splitlines()]
        words = result.stderr.strip().partition("next page: hyperjobs ")[2]

    assert seen == [f"job-{n:03}" for n in range(23, -1, -1)]


def test_a_pipe_nobody_reads_is_no_error(hj):
    reader, writer = os.pipe()
    os.close(reader)

    result = hj.run("list", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)

    assert result.returncode in {-signal.SIGPIPE, 141}
    assert result.stderr == ""


@pytest.mark.parametrize("words", ["list", "show job-1", "stats", "--help", "--version", "config schema"])
def test_a_full_disk_behind_the_output_is_exit_5(hj, words):
    result = hj.shell(f"hj {words} >/dev/full")

    assert "standard output: No space left on device" in one_line(result, 5)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_survived_and_the_store_with_them(hj, closed):
    assert hj.shell(f"hj list {closed}").returncode == 0
    assert hj.shell(f"hj show nobody {closed}").returncode == 7
    assert len(hj.run("list").stdout.splitlines()) == 5


def test_an_encoding_without_the_characters_gets_escapes(unicode_names):
    result = unicode_names.run("list", env={"PYTHONIOENCODING": "ascii"})

    assert result.returncode == 0
    assert r"\u30c7" in result.stdout


def test_ctrl_c_ends_it_as_any_command(many_jobs):
    reader, writer = os.pipe()  # full at once, so the program stands in the middle of its work
    process = subprocess.Popen(
        [sys.executable, "-m", "hyperjobs", "list", "--limit", "all", "--store", str(many_jobs.store)],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=many_jobs.env(),
    )
    os.close(writer)
    assert os.read(reader, 1)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    os.close(reader)

    assert process.returncode in {-signal.SIGINT, 130}
    assert said == b""


def test_a_live_store_is_read_beside_its_writer(hj):
    writer = apsw.Connection(str(hj.store))
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE jobs SET status='cancelled'")

    result = hj.run("list", "--status", "cancelled,failed")

    writer.execute("COMMIT")
    after = hj.run("list", "--status", "cancelled,failed")
    writer.close()
    assert result.stdout.count("\n") == 1
    assert after.stdout.count("\n") == 5


def test_reading_leaves_the_store_as_it_was(hj):
    before = hj.store.read_bytes()

    for words in (["list"], ["show", "job-1"], ["stats"], ["running"], ["failed"], ["history", "job-1"]):
        assert hj.run(*words).returncode == 0

    assert hj.store.read_bytes() == before
    wal = hj.store.with_name("jobs.db-wal")
    assert not wal.exists() or wal.stat().st_size == 0  # SQLite makes an empty one, which a reader may not remove


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["list"], ["list", "--json"], ["show", "job-1"], ["stats"]]
)
def test_the_heavy_parts_stay_out_of_light_commands(hj, words):
    script = (
        "import sys\nfrom hyperjobs.cli import main\ncode = main(sys.argv[1:])\n"
        "heavy = {'pydantic', 'structlog', 'prometheus_client', 'rich', 'yaml', 'asyncio', 'hyperjobs.config'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else code)"
    )
    environment = hj.env({"HYPERJOBS_STORE__PATH": str(hj.store)})

    result = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_and_version_touch_no_sqlite(words):
    script = "import sys\nfrom hyperjobs.cli import main\nmain(sys.argv[1:])\nsys.exit('apsw' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script, *words], capture_output=True, check=False).returncode == 0
