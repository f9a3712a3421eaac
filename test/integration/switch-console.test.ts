import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { consoleTalk, nextFrame, plugIn, withEcdockSwitch } from '../support/ecdock-switch.js'
import { needs } from '../support/requirements.js'
import { BROADCAST, frameOf, type TestSwitch, withVdeSwitch } from '../support/vde.js'
import { leavingNothing } from '../support/world.js'

const consoleTest = needs('root', 'vde') ? test : test.skip

/** Commands that are answered alike, in an order in which each has something to tell. */
const COMMANDS = [
  ...[
    'port/showinfo',
    'ds/showinfo',
    'port/print',
    'port/print 3',
    'port/print 4',
    'port/print 99',
    'port/allprint',
  ],
  ...[
    'port/setnumports 2',
    'port/setnumports 0',
    'port/setnumports 40',
    'port/sethub 1',
    'port/showinfo',
    'port/sethub 0',
  ],
  ...[
    'port/create 5',
    'port/create 5',
    'port/create 99',
    'port/createauto',
    'port/allprint',
    'port/remove 5',
  ],
  ...[
    'port/remove 3',
    'port/allocatable 3 0',
    'port/setuser 3 root',
    'port/setgroup 3 root',
    'port/setuser 3 nobody-of-that-name',
  ],
  ...[
    'port/print 3',
    'port/setuser 3 NONE',
    'port/resetcounter 3',
    'port/resetcounter 4',
    'port/print 3',
    'port/epclose 3 1',
  ],
  ...[
    'debug/add nonsense',
    'debug/add port',
    'debug/add port',
    'debug/del port',
    'debug/del port',
    'debug/del nonsense',
  ],
  ...[
    'hash/setexpire 200',
    'hash/setgcint 3',
    'nonsense',
    '# a comment',
    '   port/showinfo',
    'port/showinfo x',
    'help nonsense',
  ],
  ...[
    'hash/print',
    'hash/find 52:00:0a:00:00:09',
    'hash/find nonsense',
    'vlan/print',
    'vlan/print 9',
    'vlan/print 4096',
  ],
  ...[
    'vlan/create 7',
    'vlan/create 7',
    'vlan/create 0',
    'vlan/create 4095',
    'vlan/addport 7 3',
    'vlan/addport 9 3',
  ],
  ...[
    'vlan/addport 7 4',
    'port/setvlan 3 9',
    'vlan/print',
    'vlan/delport 7 3',
    'port/setvlan 3 7',
    'vlan/allprint',
  ],
  ...['vlan/remove 7', 'vlan/remove 0', 'vlan/remove 9', 'port/setvlan 3 0', 'vlan/remove 7', 'vlan/print'],
]

consoleTest('commands are answered as vde_switch answers them', () =>
  leavingNothing(async () => {
    const answers = async (talk: TestSwitch): Promise<string[]> => {
      const client = await plugIn(talk.dir, { port: 3, description: 'a client' })
      client.send(frameOf(BROADCAST, '52:00:0a:00:00:01', Buffer.alloc(46)))
      const given = await consoleTalk(talk.mgmt, [
        'port/print\n',
        ...COMMANDS.map((command) => `${command}\n`),
      ])
      await client.close()
      return given.slice(1).map((answer) => withoutVariables(answer, talk.dir))
    }
    let theirs: string[] = []
    let ours: string[] = []
    await withVdeSwitch(async (sw) => {
      theirs = await answers(sw)
    })
    await withEcdockSwitch(
      async (sw) => {
        ours = await answers(sw)
      },
      ['-n', '32'],
    )
    for (const [index, command] of COMMANDS.entries()) assert.is(ours[index], theirs[index], command)
  }),
)

consoleTest(
  'several commands in one write are all answered, in order, and one without an end of line, too',
  () =>
    leavingNothing(() =>
      withEcdockSwitch(async ({ mgmt }) => {
        const [both = '', alone = ''] = await consoleTalk(mgmt, [
          'port/showinfo\nnonsense\nhash/print\n',
          'port/sethub 0',
        ])
        assert.match(
          both,
          /^0000 DATA END WITH '\.'\nNumports=1024\n[\s\S]*1000 Success\n\nvde\$ 1038 [\s\S]*\n\nvde\$ 0000 DATA/,
        )
        assert.is(alone, '1000 Success\n\nvde$ ')
      }),
    ),
)

consoleTest('tagged frames pass as they are until a VLAN is created, and then only where it leads', () =>
  leavingNothing(() =>
    withEcdockSwitch(async ({ dir, mgmt }) => {
      const [one, two, three] = [await plugIn(dir), await plugIn(dir), await plugIn(dir)]
      const untagged = frameOf(BROADCAST, '52:00:0a:00:00:01', Buffer.alloc(46, 1))
      const tagged = (vlan: number) =>
        Buffer.concat([
          untagged.subarray(0, 12),
          Buffer.from([0x81, 0, vlan >> 8, vlan & 255]),
          untagged.subarray(12),
        ])
      one.send(tagged(7))
      assert.equal(await nextFrame(two), tagged(7))
      assert.equal(await nextFrame(three), tagged(7))
      await consoleTalk(mgmt, ['vlan/create 7\n', 'vlan/addport 7 1\n', 'port/setvlan 2 7\n'])
      one.send(tagged(7)) // to port 2, without its tag
      one.send(tagged(8)) // to nobody
      one.send(untagged) // to port 3
      assert.equal(await nextFrame(two), untagged)
      assert.equal(await nextFrame(three), untagged)
      two.send(untagged)
      assert.equal(await nextFrame(one), tagged(7))
      await Promise.all([one.close(), two.close(), three.close()])
    }),
  ),
)

/** Descriptors' numbers, places in the table, ages and paths are each program's own. */
function withoutVariables(answer: string, dir: string): string {
  return answer
    .replaceAll(dir, 'DIR')
    .replaceAll(/endpoint ID \d+/g, 'endpoint ID')
    .replaceAll(/Hash: \d+/g, 'Hash:')
    .replaceAll(/age \d+ secs/g, 'age')
}

test.run()
