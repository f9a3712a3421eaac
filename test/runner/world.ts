/** Exit status of a file whose tests have passed but which left processes running. */
const LEFT_RUNNING = 97

/**
 * Makes the namespaces a world of their own, runs the command that it is given, and looks for what still runs after
 * it. The shell is process 1 there, so that it also reaps what was orphaned, and all ends with it.
 */
const SCRIPT = `
ip link set lo up || exit
for directory in /run/netns /run/ecdock-fast; do
  mkdir -p $directory && mount -t tmpfs -o mode=755 tmpfs $directory || exit
done
"$@"
status=$?
for wait in 0.1 0.2 0.3 0.4 0.5 0.5 0; do
  left=
  for process in /proc/[0-9]*; do
    # A zombie has no exe.
    if [ $process != /proc/1 ] && [ -e $process/exe ]; then left="$left $process"; fi
  done
  if [ -z "$left" ]; then exit $status; fi
  sleep $wait
done
for process in $left; do
  echo "left running: \${process#/proc/} $(tr '\\0' ' ' <$process/cmdline)"
done
[ $status -ne 0 ] || status=${LEFT_RUNNING}
exit $status
`

/**
 * The command that runs `command` with fresh network, mount and process namespaces: `lo` is up, /run/netns and
 * /run/ecdock-fast are empty, and no process outlives it. Needs root.
 */
export function inOwnWorld(command: readonly string[]): { command: string; args: string[] } {
  const namespaces = ['--net', '--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc']
  return {
    command: 'unshare',
    args: [...namespaces, '--kill-child', '/bin/sh', '-c', SCRIPT, 'sh', ...command],
  }
}
