import { run } from '../program.js'

/** A bridge of the userspace datapath, unless it is there. `env` leads ovs-vsctl to its database. */
export function createOvsBridge(name: string, env: NodeJS.ProcessEnv): void {
  run(
    'ovs-vsctl',
    ['--timeout=30', '--may-exist', 'add-br', name, '--', 'set', 'bridge', name, 'datapath_type=netdev'],
    env,
  )
}
