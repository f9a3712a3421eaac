import { chmodSync, copyFileSync, mkdirSync } from 'node:fs'
import { run, sourcePath } from '../program.js'
import { TARGET_NAMES } from '../targets.js'
import type { Contestant, ContestantName } from './contestant.js'
import { LineProgram } from './line-program.js'
import { createOvsBridge } from './ovs-bridge.js'

/** A script in benchmarks/peers that answers `plug FIRST COUNT` and `unplug FIRST COUNT`. */
function script(name: ContestantName, file: string, vswitch: string, env: NodeJS.ProcessEnv): Contestant {
  const child = new LineProgram('bash', [sourcePath(`benchmarks/peers/${file}`), vswitch, TARGET_NAMES], env)
  return {
    name,
    slow: true,
    plug: (slot) => child.ask(`plug ${slot} 1`),
    unplug: (slot) => child.ask(`unplug ${slot} 1`),
    plugAll: (count) => child.ask(`plug 1 ${count}`),
    unplugAll: (count) => child.ask(`unplug 1 ${count}`),
    close: () => child.close(),
  }
}

/** `ip`, forked for each step, on a Linux bridge in the host's namespace. */
export function ip(bridge: string): Contestant {
  run('ip', ['link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0'])
  run('ip', ['link', 'set', bridge, 'up'])
  return script('ip', 'ip.sh', bridge, process.env)
}

/** `ip` and `ovs-vsctl`, as ecDock does it. `env` leads ovs-vsctl to its database. */
export function ovsVsctl(env: NodeJS.ProcessEnv): Contestant {
  const bridge = 'vsctl'
  createOvsBridge(bridge, env)
  return script('ip + ovs-vsctl', 'ovs-vsctl.sh', bridge, env)
}

/** `ovs-docker`, with a `docker` that only looks up process ids in the files of `pids`. */
export function ovsDocker(env: NodeJS.ProcessEnv, directory: string, pids: string): Contestant {
  const bridge = 'ovsdocker'
  createOvsBridge(bridge, env)
  const programs = `${directory}/programs`
  mkdirSync(programs, { recursive: true })
  copyFileSync(sourcePath('benchmarks/peers/docker-inspect.sh'), `${programs}/docker`)
  chmodSync(`${programs}/docker`, 0o755)
  return script('ovs-docker', 'ovs-docker.sh', bridge, {
    ...env,
    PATH: `${programs}:${env.PATH ?? process.env.PATH}`,
    TARGET_PIDS: pids,
  })
}

/**
 * What docker-vde-plugin does in Join, on the vde_switch whose sockets are in the directory; with `moved`, also what Docker
 * does with the tap that it gets, until that is in the target.
 */
export function dockerVdePlugin(directory: string, moved: boolean): Contestant {
  const name = moved ? 'docker-vde-plugin, moved' : 'docker-vde-plugin'
  const env = { ...process.env, STEPS: moved ? 'all' : 'own' }
  return script(name, 'docker-vde-plugin.sh', directory, env)
}
