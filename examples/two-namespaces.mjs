import { EcdockError, Host } from 'ecdock-fast'

const host = await Host.open()
const sw = await host.createVswitch({ name: 'lib0', subnet: '10.7.0.254/24' })
let namespaces = []
try {
  namespaces = await host.kernel.createNamespaces(['left', 'right'])

  // A target is { netns }, { pid } or { container }. Without `slot` it gets the lowest free one.
  const left = await sw.plug({ netns: 'left' })
  const right = await sw.plug({ netns: 'right' }, { slot: 20, ifname: 'lan0' })
  console.log(left.target, left.ifname, left.ipv4, left.mac)
  console.log(right.target, right.ifname, right.ipv4, right.mac)

  const [ping] = await host.kernel.probe([
    { netns: '/run/netns/left', address: '10.7.0.20', timeoutMs: 1000 },
  ])
  console.log(ping.reply ? 'the ping came back' : 'no reply')

  // Many at once: what fails for one leaves the others alone.
  const outcomes = await sw.plugAll([
    { target: { netns: 'left' }, slot: 3 },
    { target: { netns: 'nowhere' }, slot: 4 },
  ])
  for (const outcome of outcomes) {
    console.log(outcome.ok ? `${outcome.port.target} in slot ${outcome.port.slot}` : outcome.error.message)
  }
  await sw.unplugAll([1, 3, 20])
  await sw.unplug(1) // throws: it is empty by now
} catch (error) {
  if (!(error instanceof EcdockError)) throw error
  console.log(`${error.code}: ${error.message}`)
} finally {
  await host.deleteVswitch('lib0')
  await host.kernel.deleteNamespaces(namespaces.map((namespace) => namespace.name))
  await host.close()
}
