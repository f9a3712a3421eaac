import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { VdeConsole } from '../../src/vde/console.js'
import { waitUntil } from '../support/process.js'
import { refusal } from '../support/refusal.js'

const BANNER = 'VDE switch V.2.3.2\n\n'
const PROMPT = '\nvde$ '

interface Fake {
  path: string
  /** What was read at once, each time. */
  reads: string[]
  clients: net.Socket[]
}

/** A console that gives each read one answer, as vde_switch does, however many commands are in it. */
async function withFake(
  answer: (client: net.Socket, read: string) => void,
  body: (fake: Fake) => Promise<void>,
  greeting = `${BANNER}${PROMPT}`,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'vde-mgmt-'))
  const fake: Fake = { path: join(home, 'mgmt'), reads: [], clients: [] }
  const server = net.createServer((client) => {
    fake.clients.push(client)
    client.on('error', () => {})
    client.write(greeting)
    client.setEncoding('utf8').on('data', (read: string) => {
      fake.reads.push(read)
      answer(client, read)
    })
  })
  await new Promise<void>((resolve) => server.listen(fake.path, resolve))
  try {
    await body(fake)
  } finally {
    for (const client of fake.clients) client.destroy()
    await new Promise((resolve) => server.close(resolve))
    rmSync(home, { recursive: true, force: true })
  }
}

const echo = (client: net.Socket, read: string) =>
  client.write(`0000 DATA END WITH '.'\n${read.trim()}\n.\n1000 Success\n${PROMPT}`)

test('a command waits for the prompt after the one before', () =>
  withFake(echo, async ({ path, reads }) => {
    const opened = await VdeConsole.open(path)
    const commands = Array.from({ length: 50 }, (_, at) => `help ${at}`)
    assert.equal(
      await Promise.all(commands.map((text) => opened.command(text))),
      commands.map((text) => [text]),
    )
    assert.equal(
      reads,
      commands.map((text) => `${text}\n`),
    )
    await opened.close()
  }))

test('what the switch refuses is told, and the next command goes on', () => {
  const answer = (client: net.Socket, read: string) =>
    read === 'bad\n' ? client.write(`1022 Invalid argument\n${PROMPT}`) : echo(client, read)
  return withFake(answer, async ({ path }) => {
    const opened = await VdeConsole.open(path)
    const refused = refusal(opened.command('bad'), 'VDE_CONSOLE_FAILED')
    assert.equal(await opened.command('good'), ['good'])
    const { errno, message } = await refused
    assert.equal([errno, message], ['EINVAL', 'the switch refused "bad": Invalid argument'])
    await opened.close()
  })
})

test('what is no command is not sent', () =>
  withFake(echo, async ({ path, reads }) => {
    const opened = await VdeConsole.open(path)
    for (const text of ['', '  ', '# remark', 'a\nb', 'a\0', 'x'.repeat(127)]) {
      await refusal(opened.command(text), 'USAGE')
    }
    await refusal(opened.port(-1), 'USAGE')
    await refusal(opened.setPortCount(0), 'USAGE')
    await opened.command('x'.repeat(126))
    assert.is(reads.length, 1)
    await opened.close()
  }))

for (const [what, answer] of Object.entries({
  'an answer to nothing': (client: net.Socket) =>
    client.write(`1000 Success\n${PROMPT}1000 Success\n${PROMPT}`),
  'a hang-up': (client: net.Socket) => client.end(),
  'an end of the session': (client: net.Socket) => client.end('9999 END OF SESSION'),
})) {
  test(`after ${what} the console is closed`, () =>
    withFake(answer, async ({ path }) => {
      const opened = await VdeConsole.open(path)
      const first = opened.command('one').catch((error: unknown) => error)
      await refusal(
        first.then(() => opened.command('two')),
        'VDE_LOST',
      )
      await opened.close()
    }))
}

test('a switch that stops answering is not waited for, and what follows is not confused', () =>
  withFake(
    () => {},
    async ({ path, clients }) => {
      const opened = await VdeConsole.open(path, { timeoutMs: 100 })
      const [first, second] = [opened.command('one'), opened.command('two')].map((asked) =>
        refusal(asked, 'TIMEOUT'),
      )
      assert.match((await first)?.message ?? '', /"one"/)
      await second
      await waitUntil('the connection is closed', () => clients[0]?.destroyed === true)
    },
  ))

test('what greets like no console is left', async () => {
  await withFake(
    echo,
    async ({ path }) => {
      await refusal(VdeConsole.open(path, { timeoutMs: 100 }), 'TIMEOUT')
    },
    '',
  )
  await withFake(
    echo,
    async ({ path }) => {
      await refusal(VdeConsole.open(path), 'VDE_PROTOCOL')
    },
    'x'.repeat(100_000),
  )
  await refusal(VdeConsole.open('/run/no/such/mgmt'), 'VDE_UNREACHABLE')
  await refusal(VdeConsole.open('mgmt'), 'USAGE')
  await refusal(VdeConsole.open(`/${'m'.repeat(107)}`), 'USAGE')
})

test('events are read in order, by more than one, until the switch ends', () =>
  withFake(
    (client) => client.write(`1000 Success\n${PROMPT}`),
    async ({ path, clients, reads }) => {
      const opened = await VdeConsole.open(path)
      const [one, two] = [await opened.events(), await opened.events()]
      assert.equal(reads, ['debug/add port\n'])
      clients[0]?.write('3021 port/+ 02\n3022 port/- 02\n')
      for (const events of [one, two]) {
        assert.equal((await events.next()).value, { type: 'port-added', port: 2 })
        assert.equal((await events.next()).value, { type: 'port-removed', port: 2 })
      }
      await two.return?.()
      assert.equal(await two.next(), { done: true, value: undefined })
      const next = refusal(one.next(), 'VDE_LOST')
      clients[0]?.destroy()
      await next
      assert.equal(await one.next(), { done: true, value: undefined })
    },
  ))

test('whoever does not read events loses the connection, not the memory', () =>
  withFake(
    (client) => client.write(`1000 Success\n${PROMPT}`),
    async ({ path, clients }) => {
      const opened = await VdeConsole.open(path)
      const events = await opened.events()
      clients[0]?.write('3021 port/+ 02\n'.repeat(20_000))
      await waitUntil('the connection is closed', () => clients[0]?.destroyed === true)
      let read = 0
      const error = await refusal(
        (async () => {
          for await (const _ of events) read++
        })(),
        'VDE_LOST',
      )
      assert.equal([read, error.message.includes('not read')], [10_000, true])
    },
  ))

test('aborting ends the console', () =>
  withFake(
    () => {},
    async ({ path }) => {
      const abort = new AbortController()
      const opened = await VdeConsole.open(path, { signal: abort.signal })
      const asked = refusal(opened.command('help'), 'CANCELLED')
      abort.abort()
      await asked
      await refusal(opened.command('help'), 'CANCELLED')
      await refusal(VdeConsole.open(path, { signal: AbortSignal.abort() }), 'CANCELLED')
    },
  ))

test.run()
