// Starts two Docker containers in slots 1 and 2, shows what they have, and takes everything down again:
//   docker pull busybox && sudo node examples/two-containers.mjs
// With an argument, another image that has a shell: sudo node examples/two-containers.mjs alpine
import { Host } from 'ecdock-fast'

const image = process.argv[2] ?? 'busybox'
const host = await Host.open()
const sw = await host.createVswitch({ name: 'two0', subnet: '10.8.0.254/24' })
try {
  for (const slot of [1, 2]) {
    const { name, port } = await host.containers.start(sw, { image, args: ['sh'], slot })
    console.log(`${name} has ${port.ipv4}, ${port.mac}`)
  }
  const pings = await host.kernel.probe(
    ['10.8.0.1', '10.8.0.2'].map((address) => ({ netns: '', address, timeoutMs: 1000 })),
  )
  console.log(`${pings.filter((ping) => ping.reply).length} of 2 answer the host`)
} finally {
  for (const { slot } of await sw.ports()) {
    // Nobody types "exit" into these shells: do not wait 10 s for them to end by themselves.
    await host.containers.stop(sw, slot, { timeoutSeconds: 0 })
  }
  await host.deleteVswitch('two0')
  await host.close()
}
