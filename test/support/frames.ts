import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { patience } from './patience.js'

/**
 * What tcpdump shows of the first frame that it hears on an interface and whose line matches, while `action` is done
 * again and again; throws when there is none within ten seconds. `netns` is a path, '' the caller's own.
 */
export async function heard(
  netns: string,
  ifname: string,
  pattern: RegExp,
  action: () => Promise<unknown>,
): Promise<string> {
  // Without -Z it becomes the user tcpdump, whom not every machine has.
  const args = ['-Z', 'root', '--immediate-mode', '-l', '-n', '-e', '-i', ifname]
  const [command = '', ...rest] = [
    ...(netns === '' ? [] : ['nsenter', `--net=${netns}`, '--']),
    'tcpdump',
    ...args,
  ]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close')
  const lines: string[] = []
  let said = ''
  let found: string | undefined
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    if (found === undefined && pattern.test(line)) found = line
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const deadline = Date.now() + patience(10_000)
  const until = async (what: string, is: () => boolean, act: () => Promise<unknown>) => {
    while (!is()) {
      if (Date.now() > deadline || child.exitCode !== null) {
        throw new Error(`tcpdump on ${ifname}: ${what}\n${said}${lines.join('\n')}`)
      }
      await act()
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  try {
    await until(
      'it does not listen',
      () => said.includes('listening on'),
      async () => {},
    )
    await until(`nothing matches ${pattern}`, () => found !== undefined, action)
    return found ?? ''
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}
