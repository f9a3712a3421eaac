// A hundred nodes that are one program: no interface, no namespace, no address of theirs is in the kernel. They sit on one
// port of a VDE switch, and answer ARP and pings: sudo node examples/vde-node.mjs
import { Host } from 'ecdock-fast'
import { connect } from 'ecdock-fast/vde'

const ARP = 0x0806
const IPV4 = 0x0800

/** By IPv4 address, each four bytes as a number: the node's MAC, by the rule of slots. */
const nodes = new Map()
for (let last = 101; last <= 200; last++) {
  const address = Buffer.from([10, 5, 0, last])
  nodes.set(address.readUInt32BE(), Buffer.concat([Buffer.from([0x52, 0x00]), address]))
}

/** What a node sends back for this frame; undefined when nobody here is asked. Anybody may have sent it: lengths first. */
function answerTo(frame) {
  const type = frame.readUInt16BE(12)
  if (type === ARP && frame.length >= 42) return answerToArp(frame)
  if (type === IPV4 && frame.length >= 42) return answerToPing(frame)
}

/** RFC 826: behind the Ethernet header operation at 6, the sender's MAC and address at 8 and 14, the one asked for at 24. */
function answerToArp(frame) {
  const mac = nodes.get(frame.readUInt32BE(14 + 24))
  if (frame.readUInt16BE(14 + 6) !== 1 || mac === undefined) return
  const answer = Buffer.from(frame.subarray(0, 42))
  frame.copy(answer, 0, 6, 12)
  mac.copy(answer, 6)
  answer.writeUInt16BE(2, 14 + 6)
  mac.copy(answer, 14 + 8)
  frame.copy(answer, 14 + 14, 14 + 24, 14 + 28)
  frame.copy(answer, 14 + 18, 14 + 8, 14 + 18)
  return answer
}

/** RFC 791 and 792: an echo request becomes its reply by swapping the addresses and clearing the type. */
function answerToPing(frame) {
  const source = 14 + 12
  const destination = 14 + 16
  const icmp = 14 + (frame[14] & 0x0f) * 4
  const mac = nodes.get(frame.readUInt32BE(destination))
  if (mac === undefined || !mac.equals(frame.subarray(0, 6))) return
  const whole = (frame.readUInt16BE(14 + 6) & 0x3fff) === 0
  if (!whole || frame[14 + 9] !== 1 || frame.length < icmp + 8 || frame[icmp] !== 8) return
  const answer = Buffer.from(frame)
  frame.copy(answer, 0, 6, 12)
  mac.copy(answer, 6)
  frame.copy(answer, source, destination, destination + 4)
  frame.copy(answer, destination, source, source + 4)
  answer[icmp] = 0
  // The type was 8 in the upper byte of a word, so the sum, whose complement this is, is as much smaller (RFC 1624).
  const checksum = frame.readUInt16BE(icmp + 2) + 0x0800
  answer.writeUInt16BE((checksum & 0xffff) + (checksum >>> 16), icmp + 2)
  return answer
}

const host = await Host.open()
const sw = await host.createVswitch({ name: 'sim0', kind: 'vde', subnet: '10.5.0.254/24' })
let namespaces = []
try {
  const { socketDir } = await host.vdeSockets('sim0')
  const link = await connect(socketDir, { port: 101, description: 'a hundred nodes' })
  const answering = (async () => {
    for await (const frame of link) {
      const answer = answerTo(frame)
      if (answer !== undefined) link.send(answer)
    }
  })()

  // A target like any other, which pings them all.
  namespaces = await host.kernel.createNamespaces(['real'])
  const port = await sw.plug({ netns: 'real' })
  console.log(`${port.target} has ${port.ipv4}`)
  const netns = '/run/netns/real'
  const addresses = Array.from(nodes.values(), (mac) => mac.subarray(2).join('.'))
  const pings = await host.kernel.probe(addresses.map((address) => ({ netns, address, timeoutMs: 5000 })))
  console.log(`${pings.filter((ping) => ping.reply).length} of ${pings.length} nodes answer`)
  const [nobody] = await host.kernel.probe([{ netns, address: '10.5.0.201', timeoutMs: 100 }])
  console.log(nobody.reply ? '10.5.0.201 answers, too' : '10.5.0.201 is none of them')

  await link.close()
  await answering.catch(() => {})
} finally {
  await host.deleteVswitch('sim0')
  await host.kernel.deleteNamespaces(namespaces.map((namespace) => namespace.name))
  await host.close()
}
