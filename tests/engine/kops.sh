#!/bin/bash
# A stand-in for kops: keeps a state store in a folder, and behaves as its folder's `mood` says.
folder=$(dirname "$0")
mood=$(cat "$folder/mood" 2>/dev/null)
{ printf '%s\n' "$*"; } >>"$folder/calls"
env >"$folder/environment"
pwd >"$folder/where"
state="" file="" yes=""
args=("$@")
for ((i = 0; i < $#; i++)); do
  case "${args[i]}" in
    --state) state="${args[i + 1]#file://}" ;;
    -f) file="${args[i + 1]}" ;;
    --yes) yes=1 ;;
  esac
done
if [ "$1" = version ]; then
  case "$mood" in
    old) echo "Client version: 1.30.4 (git-v1.30.4)" ;;
    nonsense) echo "kops: what a day" ;;
    *) echo "Client version: 1.34.1 (git-v1.34.1)" ;;
  esac
  exit 0
fi
case "$mood" in
  hang) sleep 1000 & echo $! >"$folder/child"; sleep 1000 ;;
  prompt) echo "Are you sure? (y/N)"; read -r answer || answer=no; [ "$answer" = y ] || { echo "Error: not confirmed" >&2; exit 1; } ;;
  killed) kill -9 $$ ;;
  idle) exit 0 ;;
  throttled) echo "Error: RequestLimitExceeded: Request limit exceeded. AKIAIOSFODNN7EXAMPLE" >&2; exit 1 ;;
  refuses) echo "Error: spec.kubernetesVersion: Invalid value: \"x\"" ; exit 1 ;;
  floods) head -c 5000000 /dev/zero | tr '\0' 'x'; echo ;;
esac
if [ "$1" = export ]; then
  for ((i = 0; i < $#; i++)); do
    [ "${args[i]}" != --kubeconfig ] || : >"${args[i + 1]}"
  done
  exit 0
fi
if [ "$1" = validate ]; then
  good='{"nodes":[{"name":"i-1","zone":"a","role":"control-plane","hostname":"h","status":"True"}]}'
  bad='{"failures":[{"type":"Pod","name":"kube-system/coredns-1","message":"is pending, token=abc"}],"nodes":[{"name":"i-1","status":"True"}]}'
  case "$mood" in
    unhealthy) printf '%s%s' "$good" "$bad"; echo "Error: Validation failed: cluster not yet healthy" >&2; exit 1 ;;
    recovers) printf '%s%s' "$bad" "$good"; exit 0 ;;
    blind) echo "Error: dial tcp 10.0.0.1:443: i/o timeout" >&2; exit 1 ;;
    mute) exit 0 ;;
    *) printf '%s' "$good"; exit 0 ;;
  esac
fi
if [ "$1" = replace ]; then
  stat -c %a "$file" >"$folder/rights"
  cp "$file" "$state/documents"
  exit 0
fi
if [ -n "$yes" ]; then
  : >"$state/updated"
  exit 0
fi
news() { printf '***\nA new kops version is available\n***\n'; }
if [ -e "$state/updated" ]; then
  text="No changes need to be applied"
else
  text=$'Will modify resources:\n  LaunchTemplate/nodes.c.example.com\n  \tUserData            \n\nMust specify --yes to apply changes'
fi
news
if [ "$mood" = stderr ]; then printf '%s\n' "$text" >&2; else printf '%s\n' "$text"; fi
