import { type ChildProcess, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, rmdir, symlink, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Dockerode from 'dockerode'
import { run, waitUntil } from './process.js'

export const TEST_IMAGE = 'ecdock-test:latest'

/** A Docker daemon of the test's own, in the test's own network and mount namespaces. */
export interface PrivateDocker {
  /** Its socket, as `unix:///tmp/…/docker.sock`. */
  docker: string
  /** Name of the one image that it has: busybox with all its applets. */
  image: string
  /** Its API, to look at what has been done, and to do what is not to be tested. */
  api: Dockerode
  /** Starts a container without network, as `docker run -d --network none IMAGE ARGS` does. */
  run(args: readonly string[]): Promise<{ id: string; name: string; pid: number }>
  /** Runs a command in a container, as `docker exec` does; throws with its output when it fails. */
  exec(container: string, args: readonly string[]): Promise<string>
  /** Names of all containers, running or not. */
  containers(): Promise<string[]>
  /** Runs the command `docker` against it, and gives its output; throws with all that it said when it fails. */
  cli(...args: string[]): Promise<string>
  /** Ends dockerd by a signal, and nothing else; then starts it again, with `liveRestore` as before or otherwise. */
  restart(signal: NodeJS.Signals, options?: { liveRestore: boolean }): Promise<void>
  /** Ends it; no process, mount, cgroup, link or file of it is left. */
  stop(): Promise<void>
}

/** What Docker keeps outside its own directories, and where nothing of the host's may be found or changed. */
const PRIVATE_DIRECTORIES = ['/etc/docker', '/run/docker', '/run/containerd']
const CGROUPS = '/sys/fs/cgroup'

/**
 * Starts dockerd (Debian: docker.io) with everything in a temporary directory, its own containerd, and its
 * iptables rules in force, so that the policy of FORWARD is DROP as on every machine with Docker. The process
 * must have network and mount namespaces of its own. With `image: false` Docker has no image.
 */
export async function startDocker({
  image = true,
  liveRestore = false,
}: {
  image?: boolean
  /** Containers go on while dockerd is away. */
  liveRestore?: boolean
} = {}): Promise<PrivateDocker> {
  const directory = await mkdtemp(join(tmpdir(), 'ecdock-docker-'))
  const cgroup = `ecdock-test-${process.pid}-${Date.now()}`
  const socket = join(directory, 'docker.sock')
  const made = await hideDirectories()
  let daemon = await startDaemon(directory, socket, cgroup, liveRestore)
  const api = new Dockerode({ socketPath: socket, host: undefined, protocol: 'http' })
  // A connection that waits for the next request would count as left behind by the test that has made the last one.
  Object.assign(api.modem, { agent: new Agent({ keepAlive: false }) })
  const stop = async () => {
    await endDaemon(daemon, api)
    await deleteBridge()
    await unmount((path) => path.startsWith(`${directory}/`) || PRIVATE_DIRECTORIES.includes(path))
    for (const created of made) await rmdir(created).catch(ignoreMissing)
    await removeCgroups(cgroup)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await waitUntil('dockerd answers', () => answers(api, daemon), 30_000)
    if (image) await importImage(api, directory)
  } catch (error) {
    const log = await readFile(join(directory, 'log'), 'utf8')
    await stop()
    throw new Error(`dockerd does not start:\n${log.split('\n').slice(-20).join('\n')}`, { cause: error })
  }
  return {
    docker: `unix://${socket}`,
    image: TEST_IMAGE,
    api,
    run: (args) => runContainer(api, args),
    exec: (container, args) => execIn(api, container, args),
    cli: (...args) => run('docker', ['--host', `unix://${socket}`, ...args], { timeoutMs: 60_000 }),
    async restart(signal, options = { liveRestore }) {
      daemon.kill(signal)
      await waitUntil('dockerd ends', () => hasEnded(daemon), 30_000)
      // Where dockerd was killed it cannot take it away itself.
      await rm(join(directory, 'pid'), { force: true })
      daemon = await startDaemon(directory, socket, cgroup, options.liveRestore)
      await waitUntil('dockerd answers', () => answers(api, daemon), 60_000)
    },
    containers: async () =>
      (await api.listContainers({ all: true })).map(({ Names }) => (Names[0] ?? '').slice(1)).sort(),
    stop,
  }
}

/** Lays an empty tmpfs over each; answers the directories that had to be made for that. */
async function hideDirectories(): Promise<string[]> {
  const made: string[] = []
  for (const directory of PRIVATE_DIRECTORIES) {
    if ((await mkdir(directory, { recursive: true })) !== undefined) made.push(directory)
    await run('mount', ['-t', 'tmpfs', '-o', 'mode=711', 'tmpfs', directory])
  }
  return made
}

async function startDaemon(
  directory: string,
  socket: string,
  cgroup: string,
  liveRestore: boolean,
): Promise<ChildProcess> {
  const config = join(directory, 'daemon.json')
  await writeFile(config, `${JSON.stringify({ 'live-restore': liveRestore })}\n`)
  const log = await open(join(directory, 'log'), 'a')
  const directories = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')]
  const files = ['--pidfile', join(directory, 'pid'), '--config-file', config, '--host', `unix://${socket}`]
  // Without systemd there is nobody to make cgroups for Docker.
  const cgroups = ['--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', `/${cgroup}`]
  const daemon = spawn('dockerd', [...directories, ...files, ...cgroups, '--userland-proxy=false'], {
    stdio: ['ignore', log.fd, log.fd],
    env: {
      ...process.env,
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      // containerd writes its stacks there when it is told to end while it is busy.
      TMPDIR: directory,
      XTABLES_LOCKFILE: join(directory, 'xtables.lock'),
    },
  })
  await log.close()
  return daemon
}

async function answers(api: Dockerode, daemon: ChildProcess): Promise<boolean> {
  if (hasEnded(daemon)) throw new Error('it has ended')
  return api.ping().then(
    () => true,
    () => false,
  )
}

async function endDaemon(daemon: ChildProcess, api: Dockerode): Promise<void> {
  if (hasEnded(daemon)) return
  const containers = await api.listContainers({ all: true }).catch(() => [])
  await Promise.allSettled(containers.map(({ Id }) => api.getContainer(Id).remove({ force: true, v: true })))
  daemon.kill('SIGTERM')
  await waitUntil('dockerd ends', () => hasEnded(daemon), 30_000)
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** Docker leaves its bridge behind. /sys/class/net may be that of another namespace; /proc/net is our own. */
async function deleteBridge(): Promise<void> {
  const links = await readFile('/proc/self/net/dev', 'utf8')
  if (/^ *docker0:/m.test(links)) await run('ip', ['link', 'delete', 'docker0'])
}

/** Reads what is mounted: when a test elsewhere removes a directory, what is mounted on it here goes too. */
async function unmount(isOurs: (path: string) => boolean): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n')
  const paths = mounts.map((line) => line.split(' ')[1] ?? '').filter(isOurs)
  for (const path of paths.reverse()) await run('umount', [path])
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

/** cgroup v1 has a hierarchy for each controller, v2 has one. */
async function removeCgroups(cgroup: string): Promise<void> {
  for (const path of [CGROUPS, ...(await readdir(CGROUPS)).map((name) => join(CGROUPS, name))]) {
    // A container's own cgroup goes some time after the container.
    await waitUntil(`cgroup ${path}/${cgroup} is empty`, () => removed(join(path, cgroup)))
  }
}

async function removed(cgroup: string): Promise<boolean> {
  try {
    await rmdir(cgroup)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return true
    if (code === 'EBUSY') return false
    throw error
  }
}

/** A root file system of one statically linked program; there is no registry to pull an image from. */
async function importImage(api: Dockerode, directory: string): Promise<void> {
  const root = join(directory, 'root')
  const tar = join(directory, 'root.tar')
  const busybox = (await run('sh', ['-c', 'command -v busybox'])).trim()
  for (const made of ['bin', 'etc', 'tmp']) await mkdir(join(root, made), { recursive: true })
  await run('cp', [busybox, join(root, 'bin/busybox')])
  for (const applet of (await run(busybox, ['--list'])).trim().split('\n')) {
    if (applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet))
  }
  await run('tar', ['-C', root, '--owner=0', '--group=0', '-cf', tar, '.'])
  const [repo, tag] = TEST_IMAGE.split(':')
  const progress = await api.importImage(createReadStream(tar), { repo, tag })
  await new Promise<void>((resolve, reject) => {
    api.modem.followProgress(progress, (error: Error | null) => (error ? reject(error) : resolve()))
  })
}

async function runContainer(
  api: Dockerode,
  args: readonly string[],
): Promise<{ id: string; name: string; pid: number }> {
  const container = await api.createContainer({
    Image: TEST_IMAGE,
    Cmd: [...args],
    HostConfig: { NetworkMode: 'none' },
  })
  await container.start()
  const { Id, Name, State } = await container.inspect()
  return { id: Id, name: Name.slice(1), pid: State.Pid }
}

async function execIn(api: Dockerode, container: string, args: readonly string[]): Promise<string> {
  const options = { Cmd: [...args], AttachStdout: true, AttachStderr: true, Tty: true }
  const exec = await api.getContainer(container).exec(options)
  const stream = await exec.start({ Tty: true })
  let output = ''
  for await (const chunk of stream) output += String(chunk)
  const { ExitCode } = await exec.inspect()
  if (ExitCode !== 0) throw new Error(`${args.join(' ')}: exit status ${ExitCode}\n${output}`)
  return output
}
