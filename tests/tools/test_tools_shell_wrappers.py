"""Commands inside others: whatever runs a line or words, and program text wherever it stands."""

import pytest

from aegis.tools.shell import read


def touched(line):
    return {f"{r.verb} {r.kind}:{r.name}" for r in read(line).resources}


RUNS = [
    "flock /tmp/l {}", "flock -w 5 /tmp/l -c '{}'", "setpriv --reuid 0 --clear-groups {}",
    "prlimit -n10 {}", "nice -n -5 {}", "ionice -c 2 -n 7 {}", "timeout -k 5 -s KILL 10 {}",
    "stdbuf -o L {}", "env -a x {}", "env -S '{}'", "setsid -w {}", "unshare -m -R /x {}",
    "unshare --propagation private {}", "nsenter -t 1 -m -N 4 {}", "chroot --userspec=a:b /mnt {}",
    "runuser -u bob -- {}", "runuser -l bob -c '{}'", "su - bob -c '{}'", "su bob -- -c '{}'",
    "su bob --session-command '{}'", "su bob <<< '{}'", "unshare -r <<< '{}'",
    "echo '{}' | newgrp x", "sg staff -c '{}'", "sg staff '{}'", "capsh --user=x -- -c '{}'",
    "script -c '{}' log", "script -q /dev/null {}", "ssh -p 22 host -- {}", "ssh host <<< '{}'",
    "echo '{}' | ssh host", "parallel -j4 {} :::", "parallel '{}' ::: a", "parallel ::: '{}'",
    "sem -j 2 {}", "watch -n 1 -d {}", "xargs -P4 -n1 {}", "xargs -I% sh -c '{}'",
    "find . -execdir {} \\;", "find . -exec sh -c '{}' {{}} +", "busybox {}",
    "busybox sh -c '{}'", "coproc {}", "coproc N {{ {}; }}",
    "trap -- '{}' EXIT", "cat <({})", "tee >({}) < x", "source /dev/stdin <<< '{}'",
    "bash /dev/stdin <<< '{}'", "numactl -N 0 {}", "setarch x86_64 -R {}",
    "tini -- {}", "chpst -u x {}", "ssh-agent {}", "perf stat {}", "npm exec -- {}",
    "pnpm dlx {}", "conda run -n x {}", "pipx run {}", "mise exec -- {}", "ansible all -a '{}'",
    "retry --times 3 {}", "wsl {}", "adb shell {}", "bwrap --bind / / {}", "gdb -ex '!{}'",
    "hyperfine '{}'", "expect -c 'spawn {}'", "nix-shell --run '{}'", "docker exec -it x {}",
]  # fmt: skip


@pytest.mark.parametrize("frame", RUNS)
def test_whatever_runs_a_command_runs_it_for_the_policy_too(frame):
    assert "rm-root" in read(frame.format("rm -rf /")).dangers, frame


@pytest.mark.parametrize(
    "line",
    ["echo 'rm a' | parallel", "parallel < lines", "parallel -a lines", "make -f - <<< 'a: ; x'",
     "npx -c 'a b'", "npm exec -c 'a b'", "complete -C './x' a", "compgen -C ./x",
     "enable -f ./x.so x", "bind -x '\"a\": ./x'", "man -P ./x ls", "ssh host < f"],
)  # fmt: skip
def test_what_runs_lines_nobody_sees_is_no_plain_reading(line):
    found = read(line)
    assert found.undecided or found.capability == "execute", line


@pytest.mark.parametrize(
    "line",
    ["python -c'import os; os.system(\"id\")'", "python3 -W ignore -c 'import os; os.system(1)'",
     "python3 -X dev -c 'import os; os.system(1)'", "node --eval='require(\"child_process\")'",
     "perl -e'system(1)'", "powershell -c 'Remove-Item x'", "rsync --rsh='x y' a b:c",
     "scp -S ./x a b:c", "scp -o ProxyCommand=./x a b:c", "rsync --rsync-path='x' a b:c"],
)  # fmt: skip
def test_program_text_is_found_wherever_it_stands(line):
    assert "inline-code" in read(line).dangers, line


def test_a_terminal_of_a_container_hides_no_mount():
    assert "container-escape" in read("docker run -it -v /:/host alpine").dangers
    assert not read("docker run --rm -it alpine sh").dangers


def test_a_file_that_is_sourced_is_read_too():
    assert "read file:.env" in touched("source .env; echo $X")
    assert "credentials-read" in read("set -a; . ./.env; env").dangers
    assert read(". venv/bin/activate").dangers == ()


def test_an_archive_is_unpacked_where_it_says():
    assert "write file:~/.ssh/*" in touched("tar xf a.tar -C ~/.ssh")
    assert "system-write" in read("tar -xC /usr/bin -f a.tar").dangers
    assert "system-write" in read("unzip a.zip -d /etc").dangers
    assert "system-write" in read("tar --directory=/ -xf a.tar").dangers
    assert "credentials-read" in read("tar cf x.tar -C ~ .ssh").dangers
    assert "credentials-read" in read("tar czf - -C /etc shadow").dangers
    assert read("tar xzf a.tar.gz -C build").dangers == ()
    assert "write file:build/*" in touched("tar xzf a.tar.gz -C build")


@pytest.mark.parametrize(
    "line",
    ["watch -n1 kubectl get pods", "flock /tmp/l make -j4", "parallel -j4 gzip -k ::: a.log b.log",
     "parallel convert {} {.}.png ::: a.jpg", "jj commit -m 'rm the old reader'",
     "script -q out.log", "nx run web:build", "pm2 start node app.js", "ssh host uptime",
     "timeout 60 pytest -q",
     "python -W error -m pytest", "python app.py -c 'a;b'", "volta install node yarn",
     "npm run build", "poetry run pytest -q", "rsync -e ssh a host:b", "setpriv --help"],
)  # fmt: skip
def test_everyday_wrappers_stay_without_danger(line):
    found = read(line)
    assert (found.dangers, found.undecided) == ((), ""), line
