# shellcheck shell=bash
# Makes a machine ready for Stackyard: functions only, sourced by ./quickstart and ./test.
#
# A step is a title, the reason why it needs root, a check and an action; it is skipped when its check
# says yes, so that everything here can be run again at any time.

repository=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$repository/.venv
own_uv=$repository/.uv

docker_log=/var/log/dockerd.log
docker_run=/var/run
engine_deadline=180
plugins=/usr/local/lib/docker/cli-plugins
plugin_suite=trixie # the first release of Debian that has both plugins
debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg

# ---------------------------------------------------------------- telling

say() { printf '%s\n' "$*" >&2; }

# fail MESSAGE [HINT]: says what is wrong and the remedy, and ends with 2: nothing was started.
fail() {
  say "error: $1"
  [[ -z ${2:-} ]] || say "hint: $2"
  exit "${3:-2}"
}

# step TITLE WHY CHECK ACTION: does ACTION unless CHECK says that it is done.
step() {
  local title=$1 why=$2 check=$3 action=$4 begun=$SECONDS
  if "$check"; then
    say "  ok  $title"
    return
  fi
  say " ...  $title: $why"
  "$action"
  "$check" || fail "$title: still not there after it was installed" "the output above tells why" 1
  say "done  $title ($((SECONDS - begun)) s)"
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
  local output status=0
  output=$("$@" 2>&1 </dev/null) || status=$?
  ((status == 0)) && return
  printf '%s\n' "$output" | tail -n 30 | sed 's/^/      /' >&2
  fail "$(printf '%q ' "$@")exited with $status" "its last lines are above" 1
}

# ---------------------------------------------------------------- the machine

require_linux() {
  [[ $(uname -s) == Linux ]] ||
    fail "this is $(uname -s); Stackyard runs on Linux" "use a Linux machine, real or virtual; Debian 12 is tried"
  [[ $(uname -m) == x86_64 ]] || fail "this is $(uname -m); images are made for amd64 only yet" "use an amd64 machine"
}

require_root() {
  ((EUID == 0)) && return
  fail "$1 must run as root" \
    "run: sudo $1 (it installs packages, starts the Docker engine and owns the state in /var/lib/stackyard)"
}

on_systemd() { [[ -d /run/systemd/system ]]; }

# Whether a process of this name runs; needs no procps. One that has ended and waits for its parent does not count.
runs() {
  local status
  while read -r status; do
    is_process "$status" "$1" && return
  done < <(grep -lsx -- "Name:[[:space:]]*$1" /proc/[0-9]*/status)
  return 1
}

# is_process /proc/PID/status NAME
is_process() { grep -qsx -- "Name:[[:space:]]*$2" "$1" && grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "$1"; }

has() { command -v "$1" >/dev/null; }

# ---------------------------------------------------------------- packages of the distribution

require_apt() {
  has apt-get && ((EUID == 0)) && return
  has apt-get && fail "$1 is not installed, and only root can install it" "run as root: apt-get install $1"
  fail "this machine has no apt-get to install $1 with" \
    "install it by hand, then run this again; needed in all: Docker engine 20.10 or newer with its buildx and \
compose v2 plugins, iptables, mmdebstrap, Python 3.11 or newer with venv"
}

refresh_packages() {
  [[ -z ${packages_refreshed:-} ]] || return 0
  quietly apt-get -q -o Acquire::Retries=3 update
  packages_refreshed=yes
}

install_packages() {
  require_apt "$*"
  refresh_packages
  quietly env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
}

# Version that apt would install of a package; empty when there is none.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vFx '(none)'; }

# ---------------------------------------------------------------- Docker: engine and plugins

have_docker() {
  engine_answers && return
  has dockerd && has docker && has iptables
}

install_docker() {
  local packages=(docker.io iptables)
  require_apt docker.io
  refresh_packages
  if [[ -n $(candidate docker-cli) ]]; then packages+=(docker-cli); fi # its own package from Debian 13 on
  if grep -qsx Y /sys/module/apparmor/parameters/enabled; then packages+=(apparmor); fi
  install_packages "${packages[@]}"
}

# Every docker client there is: the first on PATH is not always one that has the plugins.
docker_clients() {
  local directories directory
  IFS=: read -r -a directories <<<"$PATH:/usr/bin"
  for directory in "${directories[@]}"; do
    [[ -x $directory/docker ]] && printf '%s\n' "$directory/docker"
  done
}

has_plugin() {
  local client
  while read -r client; do
    "$client" "$1" version >/dev/null 2>&1 </dev/null && return
  done < <(docker_clients)
  return 1
}

# Whether one and the same client has both.
have_plugins() {
  local client
  while read -r client; do
    "$client" buildx version >/dev/null 2>&1 </dev/null &&
      "$client" compose version >/dev/null 2>&1 </dev/null && return
  done < <(docker_clients)
  return 1
}

install_plugins() {
  local wanted=() borrowed=() package
  require_apt "docker-buildx docker-compose"
  refresh_packages
  for package in buildx compose; do
    has_plugin "$package" && continue
    if package_of_plugin "$package" >/dev/null; then
      wanted+=("$(package_of_plugin "$package")")
    else
      borrowed+=("$package")
    fi
  done
  ((${#wanted[@]} == 0)) || install_packages "${wanted[@]}"
  ((${#borrowed[@]} == 0)) || borrow_plugins "${borrowed[@]}"
}

# The distribution's own package of a plugin: Debian, Ubuntu and Docker name it differently, and Debian 12's
# docker-compose is version 1, which is another program.
package_of_plugin() {
  local name version
  for name in "docker-$1" "docker-$1-v2" "docker-$1-plugin"; do
    version=$(candidate "$name") || continue
    [[ $1 == compose && ${version#*:} == 1.* ]] && continue
    printf '%s\n' "$name"
    return
  done
  return 1
}

# borrow_plugins buildx|compose...: takes the programs out of a newer Debian's packages. They are static enough to
# run as they are. Nothing but the two files gets onto the machine, and apt checks the signatures as always.
borrow_plugins() {
  local work plugin
  work=$(mktemp -d)
  private_apt "$work"
  quietly apt_in "$work" update
  for plugin in "$@"; do
    (cd "$work" && quietly apt_in "$work" download "docker-$plugin")
    quietly dpkg-deb -x "$work/docker-${plugin}"_*.deb "$work/$plugin"
    install -D -m 0755 "$work/$plugin/usr/libexec/docker/cli-plugins/docker-$plugin" "$plugins/docker-$plugin"
  done
  rm -rf -- "$work"
}

# private_apt FOLDER: an apt configuration of its own there, with the host's Debian mirrors and the newer suite.
private_apt() {
  local mirrors mirror
  mirrors=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
    sort -u)
  [[ -n $mirrors ]] || fail "this distribution has no package of the Docker plugins, and apt knows no Debian mirror" \
    "install the buildx and compose v2 plugins of Docker by hand"
  [[ -r $debian_keys ]] || install_packages debian-archive-keyring
  mkdir -p "$1/lists/partial" "$1/cache/archives/partial" "$1/none"
  : >"$1/status"
  while read -r mirror; do
    printf 'deb [signed-by=%s] %s %s main\n' "$debian_keys" "$mirror" "$plugin_suite"
  done <<<"$mirrors" >"$1/sources.list"
}

apt_in() {
  local folder=$1
  shift
  apt-get -q -o Acquire::Retries=3 -o APT::Sandbox::User=root \
    -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts="$folder/none" \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts="$folder/none" \
    -o Dir::State::Lists="$folder/lists" -o Dir::State::Status="$folder/status" \
    -o Dir::Cache="$folder/cache" "$@"
}

# ---------------------------------------------------------------- Docker: a running engine

engine_answers() { has docker && timeout 20 docker info >/dev/null 2>&1 </dev/null; }

start_engine() {
  if on_systemd; then
    quietly systemctl enable --now docker
  elif [[ $(</proc/1/comm) == init && -x /etc/init.d/docker ]]; then
    quietly service docker start
  else
    start_dockerd
  fi
  await_engine
}

# Starts dockerd, which brings its own containerd, as a process that outlives this one.
start_dockerd() {
  runs dockerd && return # still starting, or not answering yet
  remove_stale "$docker_run/docker.pid" dockerd
  remove_stale "$docker_run/docker/containerd/containerd.pid" containerd
  # dockerd would wait for the containerd behind this socket instead of starting its own.
  if ! runs containerd; then rm -f -- "$docker_run/containerd/containerd.sock"; fi
  setsid nohup dockerd >>"$docker_log" 2>&1 </dev/null &
  dockerd_job=$!
}

# remove_stale PIDFILE NAME: unless the process in it is a NAME. One that was killed leaves the file, and the number
# may be another process's by now.
remove_stale() {
  local pid
  [[ -f $1 ]] || return 0
  read -r pid <"$1" || true
  is_process "/proc/${pid:-none}/status" "$2" || rm -f -- "$1"
}

await_engine() {
  local begun=$SECONDS told=$SECONDS
  until engine_answers; do
    if [[ -n ${dockerd_job:-} ]] && ! kill -0 "$dockerd_job" 2>/dev/null; then
      engine_failed "dockerd ended by itself"
    fi
    ((SECONDS - begun < engine_deadline)) || engine_failed "the engine does not answer after $engine_deadline s"
    if ((SECONDS - told >= 30)); then
      say "      waiting for the engine since $((SECONDS - begun)) s"
      told=$SECONDS
    fi
    sleep 0.5
  done
}

engine_failed() {
  if [[ -s $docker_log ]]; then
    say "      the last lines of $docker_log:"
    tail -n 20 "$docker_log" | sed 's/^/      /' >&2
  fi
  fail "$1" "${docker_log} tells more; with systemd: journalctl -u docker" 1
}

# ---------------------------------------------------------------- mmdebstrap, Python, uv and the tool

have_mmdebstrap() { has mmdebstrap && [[ -r $debian_keys ]]; }

install_mmdebstrap() { install_packages mmdebstrap debian-archive-keyring; }

new_enough() { "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The first Python that is new enough.
find_python() {
  local python
  for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
    if has "$python" && new_enough "$python"; then
      command -v "$python"
      return
    fi
  done
  return 1
}

# One that can make environments, unless a uv is there, which needs no help for it.
have_python() {
  local python
  python=$(find_python) || return 1
  find_uv >/dev/null || "$python" -c 'import venv, ensurepip' 2>/dev/null
}

install_python() {
  install_packages python3 python3-venv
  find_python >/dev/null || fail "Python is $(python3 --version | cut -d' ' -f2) here, and 3.11 is needed" \
    "install Python 3.11 or newer, so that python3.11 (or 3.12, …) is on PATH"
}

# A uv that runs: the one made here, or one on PATH (which may be a wrapper of nothing).
find_uv() {
  local uv
  for uv in "$own_uv/bin/uv" uv; do
    if "$uv" --version >/dev/null 2>&1; then
      printf '%s\n' "$uv"
      return
    fi
  done
  return 1
}

have_uv() { find_uv >/dev/null; }

install_uv() {
  rm -rf -- "$own_uv"
  quietly "$(find_python)" -m venv "$own_uv"
  quietly "$own_uv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$repository/tools/uv.txt"
}

# Names what the environment was made from; lies in it.
tool_stamp() {
  (cd "$repository" && cat pyproject.toml "$1" tools/build.txt && printf '%s' "$repository") | sha256sum | cut -c1-16
}

have_tool_from() {
  [[ -e $venv/.stackyard-$(tool_stamp "$1") ]] && "$venv/bin/python" -c 'import stackyard' 2>/dev/null
}

install_tool_from() {
  local uv
  uv=$(find_uv)
  "$venv/bin/python" -c '' 2>/dev/null || { rm -rf -- "$venv" && quietly "$uv" venv --quiet \
    --no-python-downloads --python "$(find_python)" "$venv"; }
  rm -f -- "$venv"/.stackyard-*
  quietly "$uv" pip install --quiet --python "$venv/bin/python" --compile-bytecode --require-hashes \
    -r "$repository/$1"
  quietly "$uv" pip install --quiet --python "$venv/bin/python" --no-deps \
    --build-constraints "$repository/tools/build.txt" --editable "$repository"
  # Where Python may not write bytecode, every command would compile all that it imports.
  "$venv/bin/python" -m compileall -q "$repository/src/stackyard"
  : >"$venv/.stackyard-$(tool_stamp "$1")"
}

# The developer's requirements contain the tool's: an environment made from them serves both.
have_tool() { have_tool_from requirements.txt || have_tool_from requirements-dev.txt; }
install_tool() { install_tool_from requirements.txt; }
have_developer_tool() { have_tool_from requirements-dev.txt; }
install_developer_tool() { install_tool_from requirements-dev.txt; }

# ---------------------------------------------------------------- all of it, in order

set_up_engine() {
  step "Docker engine" "installs docker.io and iptables from the distribution; root, for apt" \
    have_docker install_docker
  step "Docker plugins" "installs buildx and compose v2, which build and run the images; root, for $plugins" \
    have_plugins install_plugins
  step "running engine" "starts dockerd; root, because it makes networks and namespaces" \
    engine_answers start_engine
}

have_test_programs() {
  has cpio && has qemu-system-x86_64 && has gpg && has ssh && has xorriso && has fsck.fat && [[ -r /usr/share/OVMF/OVMF_CODE_4M.fd ]]
}

install_test_programs() { install_packages cpio dosfstools gpg openssh-client ovmf qemu-system-x86 xorriso; }

set_up_test_programs() {
  step "test programs" "installs cpio, QEMU with OVMF, xorriso, dosfstools, GnuPG and ssh, which some tests need; root, for apt" \
    have_test_programs install_test_programs
}

have_browser() { has chromium && has chromedriver; }

install_browser() { install_packages chromium chromium-driver; }

set_up_browser() {
  step "browser" "installs Chromium and its driver, for the tests of the dashboard; root, for apt" have_browser install_browser
}

set_up_bootstrap() {
  step "mmdebstrap" "installs the program that makes the base image out of Debian's packages; root, for apt" \
    have_mmdebstrap install_mmdebstrap
}

# set_up_tool tool|developer_tool
set_up_tool() {
  step "Python 3.11" "installs python3 and python3-venv from the distribution; root, for apt" \
    have_python install_python
  step "uv" "installs it from PyPI into .uv, hashes checked; no root needed" \
    have_uv install_uv
  step "stackyard" "installs it and what it imports into .venv, hashes checked; no root needed" \
    "have_$1" "install_$1"
}
