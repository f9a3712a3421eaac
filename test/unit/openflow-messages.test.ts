import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { EcdockError, type ErrorCode } from '../../src/errors.js'
import { encodeFlowMod, type FlowMod } from '../../src/openflow/flow-mod.js'
import { decodeFlows, encodeFlowStatsRequest } from '../../src/openflow/flow-stats.js'
import { speaksOurVersion } from '../../src/openflow/hello.js'
import { decodeMatch, encodeMatch } from '../../src/openflow/match.js'
import { matchText } from '../../src/openflow/match-text.js'
import { bare, encodeMessage, type Request, TYPE } from '../../src/openflow/message.js'
import { neighbourFlows, switchFlows } from '../../src/openflow/neigh-suppress.js'
import { addition, removal } from '../../src/openflow/own-flow.js'
import { decodeFeatures, encodePortMod } from '../../src/openflow/port.js'
import { describeRefusal } from '../../src/openflow/refusal.js'
import { decodeStatsReply, STATS } from '../../src/openflow/stats.js'

const MAC = '52:00:0a:00:00:01'

/** The bytes of a message whose xid is 7, as hexadecimal digits. */
function wire(request: Request): string {
  return encodeMessage(request, 7).toString('hex')
}

/** Bytes written in hexadecimal, with blanks where they help. */
function hex(text: string): Buffer {
  return Buffer.from(text.replace(/\s/g, ''), 'hex')
}

function same(request: Request, expected: string): void {
  assert.is(wire(request), hex(expected).toString('hex'))
}

function refusal(action: () => unknown, code: ErrorCode): EcdockError {
  try {
    action()
  } catch (error) {
    assert.instance(error, EcdockError)
    assert.is((error as EcdockError).code, code)
    return error as EcdockError
  }
  return assert.unreachable('it should have been refused') as never
}

test('HELLO and a barrier are a header alone', () => {
  same(bare(TYPE.hello), '01 00 0008 00000007')
  same(bare(TYPE.barrierRequest), '01 12 0008 00000007')
})

test("a slot's flow is these 80 bytes", () => {
  same(
    encodeFlowMod({
      command: 'add',
      match: { dlDst: MAC },
      cookie: 0x6563646b736c6f74n,
      actions: [{ output: 1 }],
    }),
    `01 0e 0050 00000007
     003ffff7 0000 000000000000 52000a000001 0000 00 00 0000 00 00 0000 00000000 00000000 0000 0000
     6563646b736c6f74 0000 0000 0000 8000 ffffffff ffff 0000
     0000 0008 0001 0000`,
  )
})

test('all that a flow can have is in its place', () => {
  same(
    encodeFlowMod({
      command: 'modify-strict',
      match: { inPort: 'LOCAL', dlSrc: '0A:0B:0C:0D:0E:0F', dlDst: MAC, dlVlan: 100, dlType: 0x0806 },
      priority: 65535,
      cookie: 0xffffffffffffffffn,
      idleTimeout: 10,
      hardTimeout: 258,
      checkOverlap: true,
      actions: [{ output: 'NORMAL' }, { output: 'CONTROLLER', maxLength: 128 }, { output: 'CONTROLLER' }],
    }),
    `01 0e 0060 00000007
     003fffe0 fffe 0a0b0c0d0e0f 52000a000001 0064 00 00 0806 00 00 0000 00000000 00000000 0000 0000
     ffffffffffffffff 0002 000a 0102 ffff ffffffff ffff 0002
     0000 0008 fffa 0000  0000 0008 fffd 0080  0000 0008 fffd ffff`,
  )
})

test('the commands have their numbers', () => {
  const commands = ['add', 'modify', 'modify-strict', 'delete', 'delete-strict'] as const
  const numbers = commands.map((command) => encodeFlowMod({ command, match: {} }).body.readUInt16BE(48))
  assert.equal(numbers, [0, 1, 2, 3, 4])
})

test('with a cookie mask a flow is deleted by the Nicira extension, with the match behind and padded', () => {
  same(
    encodeFlowMod({
      command: 'delete-strict',
      match: { dlDst: MAC },
      cookie: 0x6563646b736c6f74n,
      cookieMask: 0xffffffff00000000n,
    }),
    `01 04 0050 00000007  00002320 0000000d
     0000000000000000 0004 0000 0000 8000 ffffffff ffff 0000  001e 000000000000
     00000206 52000a000001
     00013d10 6563646b00000000 ffffffff00000000
     0000`,
  )
  same(
    encodeFlowMod({
      command: 'delete',
      match: { inPort: 3, dlSrc: MAC, dlType: 0x0800, dlVlan: 100 },
      cookieMask: 0n,
    }),
    `01 04 0068 00000007  00002320 0000000d
     0000000000000000 0003 0000 0000 8000 ffffffff ffff 0000  0032 000000000000
     00000002 0003  00000406 52000a000001  00000602 0800  00000904 1064 1fff
     00013d10 0000000000000000 0000000000000000
     000000000000`,
  )
  const untagged = encodeFlowMod({ command: 'delete', match: { dlVlan: 'none' }, cookieMask: 0n })
  assert.is(untagged.body.toString('hex', 40, 46), '000008020000')
})

test('the flows of a slot whose neighbours ask it alone are these bytes', () => {
  const addresses = { ipv4: '10.0.0.1', ipv6: '2001:db8::a00:1', linkLocal: 'fe80::5000:aff:fe00:1' }
  const flows = neighbourFlows(7, addresses)
  const request = '01 0e 0050 00000007'
  const cookie = '6563646b736c6f74'
  const expected = [
    // ARP requests for 10.0.0.1: dl_vlan=0xffff,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x0806,arp_op=1,arp_tpa=10.0.0.1
    `${request} 00303fc5 0000 000000000000 ffffffffffff ffff 00 00 0806 00 01 0000 00000000 0a000001 0000 0000
     ${cookie} 0000 0000 0000 7ffe ffffffff ffff 0000  0000 0008 0007 0000`,
    // The same from 10.0.0.1, one priority higher: NORMAL.
    `${request} 003000c5 0000 000000000000 ffffffffffff ffff 00 00 0806 00 01 0000 0a000001 0a000001 0000 0000
     ${cookie} 0000 0000 0000 7fff ffffffff ffff 0000  0000 0008 fffa 0000`,
    ...[hex('20010db8 00000000 00000000 0a000001'), hex('fe800000 00000000 50000aff fe000001')].map(
      // NXT_FLOW_MOD: NXM_OF_ETH_DST, _ETH_TYPE, _VLAN_TCI, _IP_PROTO, NXM_NX_ICMPV6_TYPE, _ND_TARGET.
      (target) => `01 04 0070 00000007  00002320 0000000d
        ${cookie} 0000 0000 0000 7ffe ffffffff ffff 0000  0034 000000000000
        00000206 3333ff000001  00000602 86dd  00000802 0000  00000c01 3a  00012a01 87  00012e10 ${target.toString('hex')}
        00000000  0000 0008 0007 0000`,
    ),
  ]
  assert.is(flows.length, expected.length)
  for (const [at, flow] of flows.entries()) same(encodeFlowMod(addition(flow)), expected[at] ?? '')
})

test('what removes them asks for the same match, and for our cookie', () => {
  const addresses = { ipv4: '10.0.0.1', ipv6: '2001:db8::a00:1', linkLocal: 'fe80::5000:aff:fe00:1' }
  const [arp, , solicitations] = neighbourFlows(7, addresses)
  assert.ok(arp && solicitations)
  const ours = '00013d10 6563646b00000000 ffffffff00000000'
  same(
    encodeFlowMod(removal(arp)),
    `01 04 0068 00000007  00002320 0000000d
     0000000000000000 0004 0000 0000 7ffe ffffffff ffff 0000  0038 000000000000
     00000206 ffffffffffff  00000602 0806  00000802 0000  00001e02 0001  00002204 0a000001
     ${ours}`,
  )
  same(
    encodeFlowMod(removal(solicitations)),
    `01 04 0078 00000007  00002320 0000000d
     0000000000000000 0004 0000 0000 7ffe ffffffff ffff 0000  0048 000000000000
     00000206 3333ff000001  00000602 86dd  00000802 0000  00000c01 3a  00012a01 87
     00012e10 20010db800000000000000000a000001  ${ours}`,
  )
})

test('the flows that a switch has besides are for its own addresses, for all routers, and for what its uplink asks', () => {
  const addresses = { ipv4: '10.0.0.254', ipv6: '2001:db8::a00:fe', linkLocal: 'fe80::5000:aff:fe00:fe' }
  const shown = switchFlows('52:00:0a:00:00:fe', addresses, 65261).map(
    ({ match, priority, actions }) =>
      `${priority} ${matchText(match)} ${actions.map(({ output }) => output).join(' ')}`,
  )
  const arp = 'dl_vlan=0xffff,dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x0806,arp_op=1'
  const solicited =
    'dl_vlan=0xffff,dl_dst=33:33:ff:00:00:fe,dl_type=0x86dd,nw_proto=58,icmp_type=135,nd_target'
  assert.equal(shown, [
    '32766 dl_vlan=0xffff,dl_dst=52:00:0a:00:00:fe LOCAL',
    `32766 ${arp},arp_tpa=10.0.0.254 LOCAL`,
    `32767 ${arp},arp_spa=10.0.0.254,arp_tpa=10.0.0.254 NORMAL`,
    `32766 ${solicited}=2001:db8::a00:fe LOCAL`,
    `32766 ${solicited}=fe80::5000:aff:fe00:fe LOCAL`,
    '32766 dl_vlan=0xffff,dl_dst=33:33:00:00:00:02,dl_type=0x86dd,nw_proto=58,icmp_type=133 LOCAL 65261',
    '32766 dl_vlan=0xffff,dl_dst=33:33:00:00:00:16,dl_type=0x86dd LOCAL 65261',
    `32767 in_port=65261,${arp} NORMAL`,
    '32767 in_port=65261,dl_vlan=0xffff,dl_type=0x86dd,nw_proto=58,icmp_type=135 NORMAL',
  ])
})

test('a port is modified by its number, its address and a mask of what is to change', () => {
  same(
    encodePortMod({ port: 7, hwAddr: MAC, config: { noFlood: true, down: false } }),
    '01 0f 0020 00000007  0007 52000a000001 00000010 00000011 00000000 00000000',
  )
})

test('flows are asked for of all tables and all ports', () => {
  same(
    encodeFlowStatsRequest({ inPort: 2 }),
    `01 10 0038 00000007  0001 0000
     003ffffe 0002 000000000000 000000000000 0000 00 00 0000 00 00 0000 00000000 00000000 0000 0000
     ff 00 ffff`,
  )
})

test('flows are read with their counters, their time-outs and their actions', () => {
  const body = hex(`
    0001 0001
    0060 00 00
    003ffff7 0000 000000000000 52000a000001 0000 00 00 0000 00 00 0000 00000000 00000000 0000 0000
    00000002 1dcd6500 8000 000a 0014 000000000000 6563646b736c6f74 0000000000000003 ffffffffffffffff
    0000 0008 0001 0000
    0068 05 00
    003fc0fe fffe 000000000000 000000000000 ffff 00 00 0000 00 00 0000 0a000001 00000000 0000 0000
    00000000 00000000 0001 0000 0000 000000000000 0000000000000000 0000000000000000 0000000000000000
    0001 0008 0064 0000  0000 0008 fffa 0000`)
  const { rest, more } = decodeStatsReply(STATS.flow, { version: 1, type: TYPE.statsReply, xid: 7, body })
  assert.ok(more)
  assert.equal(decodeFlows(rest), [
    {
      tableId: 0,
      match: { dlDst: MAC },
      ageMs: 2500,
      priority: 32768,
      idleTimeout: 10,
      hardTimeout: 20,
      cookie: 0x6563646b736c6f74n,
      packets: 3n,
      bytes: 0xffffffffffffffffn,
      actions: [{ output: 1 }],
    },
    {
      tableId: 5,
      match: { inPort: 'LOCAL', partial: true },
      ageMs: 0,
      priority: 1,
      idleTimeout: 0,
      hardTimeout: 0,
      cookie: 0n,
      packets: 0n,
      bytes: 0n,
      actions: [{ type: 1, bytes: hex('00640000') }, { output: 'NORMAL' }],
    },
  ])
})

test('a match is read as it was written, and says when it asks for more', () => {
  const matches = [
    {},
    { inPort: 65279 },
    { dlSrc: MAC, dlVlan: 0 },
    { dlDst: 'ff:ff:ff:ff:ff:ff', dlVlan: 'none', dlType: 0xffff },
    { dlType: 0x0806, arpOp: 2, arpSpa: '10.0.0.1', arpTpa: '255.255.255.255' },
    { dlType: 0x0806, arpTpa: '10.0.0.1' },
  ] as const
  for (const match of matches) assert.equal(decodeMatch(encodeMatch(match), 0), match)
  // NW_SRC: 32 and more of its bits that do not matter are all of them.
  assert.equal(decodeMatch(hex(`003820ff${'00'.repeat(36)}`), 0), {})
  assert.equal(decodeMatch(hex(`00381fff${'00'.repeat(36)}`), 0), { partial: true })
  assert.equal(decodeMatch(hex(`002fffff${'00'.repeat(36)}`), 0), { partial: true })
  // A part of an address of ARP, and the protocol of IPv6.
  const told = (wildcards: string, type: string) =>
    decodeMatch(hex(`${wildcards} ${'00'.repeat(18)} ${type} ${'00'.repeat(16)}`), 0)
  assert.equal(told('0038 1fef', '0806'), { dlType: 0x0806, partial: true })
  assert.equal(told('003f ffcf', '86dd'), { dlType: 0x86dd, partial: true })
  // No tag, and so no priority in it.
  assert.equal(decodeMatch(hex(`002ffffd ${'00'.repeat(14)} ffff ${'00'.repeat(20)}`), 0), { dlVlan: 'none' })
})

test('features tell the ports with number, name, address, configuration and state', () => {
  const features = decodeFeatures({
    version: 1,
    type: TYPE.featuresReply,
    xid: 7,
    body: hex(`
      0000b28ab5096d4e 00000000 fe 000000 000000c7 00000fff
      0001 52000a0000fe 6f7673302d7331000000000000000000 00000010 00000201 000000c0 00000000 00000000 00000000
      fffe b28ab5096d4e 30313233343536373839616263646566 00000001 00000000 00000000 00000000 00000000 00000000`),
  })
  assert.is(features.datapathId, 0xb28ab5096d4en)
  assert.is(features.tables, 254)
  assert.not(features.portsCut)
  const [first, second] = features.ports
  const config = { noStp: false, noRecv: false, noRecvStp: false, noFwd: false, noPacketIn: false }
  assert.equal(first, {
    number: 1,
    name: 'ovs0-s1',
    hwAddr: '52:00:0a:00:00:fe',
    config: { ...config, down: false, noFlood: true },
    state: { linkDown: true, stp: 'forward' },
  })
  assert.equal(second, {
    number: 'LOCAL',
    name: '0123456789abcdef',
    hwAddr: 'b2:8a:b5:09:6d:4e',
    config: { ...config, down: true, noFlood: false },
    state: { linkDown: false, stp: 'listen' },
  })
})

test('features without room for another port say so', () => {
  const features = (ports: number) =>
    decodeFeatures({ version: 1, type: TYPE.featuresReply, xid: 0, body: Buffer.alloc(24 + ports * 48) })
  assert.not(features(1363).portsCut)
  assert.ok(features(1364).portsCut)
})

test('errors are told by the names of the standard', () => {
  assert.is(describeRefusal(hex('0003 0001 010e0008')), 'OFPET_FLOW_MOD_FAILED OFPFMFC_OVERLAP')
  assert.is(describeRefusal(hex('0004 0001')), 'OFPET_PORT_MOD_FAILED OFPPMFC_BAD_HW_ADDR')
  assert.is(describeRefusal(hex('0002 0004')), 'OFPET_BAD_ACTION OFPBAC_BAD_OUT_PORT')
  assert.is(describeRefusal(hex('0001 00ff')), 'OFPET_BAD_REQUEST code 255')
  assert.is(describeRefusal(hex('0063 0002')), 'an error of type 99 code 2')
  assert.is(
    describeRefusal(hex('b0c2 0000 00002320 0002 0100')),
    'an error of vendor 0x00002320, type 2 code 256',
  )
  assert.is(describeRefusal(hex('0003')), 'an error of 2 bytes')
})

test('versions are agreed by the number, or by the bitmap when there is one', () => {
  const none = Buffer.alloc(0)
  assert.ok(speaksOurVersion(1, none))
  assert.ok(speaksOurVersion(6, none))
  assert.not(speaksOurVersion(0, none))
  assert.ok(speaksOurVersion(4, hex('0001 0008 00000012')))
  assert.not(speaksOurVersion(4, hex('0001 0008 00000010')))
  assert.not(
    speaksOurVersion(4, hex('0009 0005 00 000000  0001 0008 00000010')),
    'an element unknown before it',
  )
  assert.ok(speaksOurVersion(4, hex('0001 0003')), 'what is malformed is passed over')
  assert.ok(speaksOurVersion(4, hex('0001 0008 00')))
})

const WRONG: [what: string, mod: Record<string, unknown>, code: ErrorCode, words: RegExp][] = [
  ['a command', { command: 'toString' }, 'USAGE', /"toString" is no command/],
  ['a priority', { priority: 65536 }, 'USAGE', /priority "65536"/],
  ['a time-out', { idleTimeout: -1 }, 'USAGE', /idleTimeout/],
  ['a time-out with a fraction', { hardTimeout: 1.5 }, 'USAGE', /hardTimeout/],
  ['a cookie', { cookie: 2n ** 64n }, 'USAGE', /cookie/],
  ['a cookie that is no bigint', { cookie: 1 }, 'USAGE', /cookie/],
  ['a cookie mask for adding', { cookieMask: 1n }, 'USAGE', /cookieMask goes with delete/],
  ['a cookie mask', { command: 'delete', cookieMask: -1n }, 'USAGE', /cookie mask/],
  ['an address', { match: { dlDst: '52:00:0a:00:00' } }, 'MAC_INVALID', /"52:00:0a:00:00"/],
  ['an address with more behind it', { match: { dlSrc: `${MAC}\n` } }, 'MAC_INVALID', /MAC address/],
  ['an IPv4 address', { match: { dlType: 0x0806, arpTpa: '10.0.0' } }, 'ADDRESS_INVALID', /"10\.0\.0"/],
  ['an ARP opcode', { match: { dlType: 0x0806, arpOp: 256 } }, 'USAGE', /ARP opcode/],
  ['ARP in no ARP message', { match: { dlType: 0x0800, arpOp: 1 } }, 'USAGE', /without dlType 0x0806/],
  ['ICMPv6 without IPv6', { match: { icmpv6Type: 133 } }, 'USAGE', /without dlType 0x86dd/],
  ['an ICMPv6 type', { match: { dlType: 0x86dd, icmpv6Type: 256 } }, 'USAGE', /ICMPv6 type/],
  [
    'a target of another message',
    { match: { dlType: 0x86dd, icmpv6Type: 133, ndTarget: 'fe80::1' } },
    'USAGE',
    /icmpv6Type 135 or 136/,
  ],
  [
    'an IPv6 address with a zone',
    { match: { dlType: 0x86dd, icmpv6Type: 135, ndTarget: 'fe80::1%eth0' } },
    'ADDRESS_INVALID',
    /fe80::1%eth0/,
  ],
  ['a VLAN', { match: { dlVlan: 4096 } }, 'USAGE', /VLAN "4096"/],
  ['an ethertype', { match: { dlType: 65536 } }, 'USAGE', /Ethertype/],
  ['an incoming port that none has', { match: { inPort: 'FLOOD' } }, 'USAGE', /"FLOOD" is no OpenFlow port/],
  ['port 0', { actions: [{ output: 0 }] }, 'USAGE', /"0" is no OpenFlow port/],
  ['a port beyond the last', { actions: [{ output: 65280 }] }, 'USAGE', /"65280"/],
  ['a port of another name', { actions: [{ output: 'constructor' }] }, 'USAGE', /"constructor"/],
  ['a length', { actions: [{ output: 1, maxLength: 65536 }] }, 'USAGE', /maxLength/],
  ['too many actions', { actions: Array(8200).fill({ output: 1 }) }, 'USAGE', /more actions than fit/],
]

for (const [what, wrong, code, words] of WRONG) {
  test(`refused before it is sent: ${what}`, () => {
    const mod = { command: 'add', match: {}, ...wrong } as FlowMod
    assert.match(refusal(() => encodeFlowMod(mod), code).message, words)
  })
}

test('what is cut short or too long is refused, at every byte', () => {
  const flow = Buffer.concat([hex('0060 0000'), encodeMatch({}), Buffer.alloc(44), hex('0000000800010000')])
  assert.is(decodeFlows(flow).length, 1)
  for (let length = 1; length < flow.length; length++) {
    refusal(() => decodeFlows(flow.subarray(0, length)), 'OPENFLOW_PROTOCOL')
  }
  for (const [at, value] of [
    [0, 87],
    [0, 97],
    [88 + 2, 0],
    [88 + 2, 4],
    [88 + 2, 12],
    [88 + 2, 16],
  ] as const) {
    const wrong = Buffer.from(flow)
    wrong.writeUInt16BE(value, at)
    refusal(() => decodeFlows(wrong), 'OPENFLOW_PROTOCOL')
  }
  const features = (body: Buffer) => decodeFeatures({ version: 1, type: TYPE.featuresReply, xid: 0, body })
  for (let length = 0; length < 24 + 96; length++) {
    const body = Buffer.alloc(length)
    if (length === 24 || length === 72) assert.is(features(body).ports.length, (length - 24) / 48)
    else refusal(() => features(body), 'OPENFLOW_PROTOCOL')
  }
})

test('statistics of another kind, or another message in their place, are refused', () => {
  const reply = (type: number, body: Buffer) =>
    decodeStatsReply(STATS.flow, { version: 1, type, xid: 0, body })
  refusal(() => reply(TYPE.statsReply, hex('0002 0000')), 'OPENFLOW_PROTOCOL')
  refusal(() => reply(TYPE.statsReply, hex('0001 00')), 'OPENFLOW_PROTOCOL')
  refusal(() => reply(TYPE.barrierReply, hex('0001 0000')), 'OPENFLOW_PROTOCOL')
})

test.run()
