import { runToEnd } from './process.js'

/** Where Open vSwitch forwards frames: in the kernel, or in ovs-vswitchd (`Bridge.datapath_type` of vswitch.xml). */
export type Datapath = 'system' | 'netdev'

/** Which one the tests use: what the environment variable ECDOCK_TEST_DATAPATH says, `netdev` by default. */
export const DATAPATH: Datapath = datapathOf(process.env.ECDOCK_TEST_DATAPATH)

/** What a vswitch of kind `ovs` is created with for that: `{ kind: 'ovs', usermode: USERMODE }`. */
export const USERMODE = DATAPATH === 'netdev'

/** The same on the command line: `create-vswitch 10.0.0.254/24 ` and these. */
export const OVS_FLAGS: readonly string[] = USERMODE ? ['--kind', 'ovs', '--usermode'] : ['--kind', 'ovs']

/**
 * Deletes what an ovs-vswitchd that was killed has left in this network namespace: on `netdev` the interfaces of its
 * datapath and of this bridge, on `system` the datapath with everything in it. Where nothing is left nothing happens.
 */
export async function removeLeftDatapath(bridge: string): Promise<void> {
  if (DATAPATH === 'system') await runToEnd('ovs-dpctl', ['del-dp', 'system@ovs-system'])
  else for (const name of [bridge, 'ovs-netdev']) await runToEnd('ip', ['link', 'delete', name])
}

function datapathOf(named = ''): Datapath {
  if (named === '' || named === 'netdev') return 'netdev'
  if (named === 'system') return 'system'
  throw new Error(`ECDOCK_TEST_DATAPATH is '${named}', and neither 'system' nor 'netdev'`)
}
