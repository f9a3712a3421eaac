import { randomUUID } from 'node:crypto'
import { checkSlot } from '../addressing/slot.js'
import { parseSubnet } from '../addressing/subnet.js'
import type { Console, ConsoleEnd } from '../docker/console.js'
import type { ContainerSpec, DockerEngine } from '../docker/engine.js'
import { isConflict } from '../docker/failure.js'
import { asEcdockError, EcdockError } from '../errors.js'
import { hostIfname } from '../vswitch/names.js'
import type { Port, Vswitch } from '../vswitch/vswitch.js'
import { ended, removeAfter, removeUnanswered, requireRunning } from './failed-start.js'
import { checkNothingNew } from './kept.js'
import { decodeMark, encodeMark, SLOT_LABEL, START_LABEL, VSWITCH_LABEL } from './labels.js'
import {
  type FindVswitch,
  findNics,
  lowestFreeSlot,
  mtusOf,
  type Nics,
  nicsThere,
  plugIn,
  portsIn,
  takeOutAll,
  takeOutHeld,
} from './nics.js'
import { holds, isCode, nothingStarted, slotInUse } from './occupancy.js'
import type {
  RestartOptions,
  SlotContainer,
  StartedContainer,
  StartOptions,
  StopOptions,
} from './slot-container.js'

/** A slot that another start has just taken is tried again so many times. */
const ATTEMPTS = 5

/**
 * Containers without Docker's networking, each in a slot of a vswitch. Which container is in which slot is
 * told by its labels, so that any later process can find it. Only containers with these labels, which hold the
 * container's own name too, are ever stopped or removed.
 */
export class SlotContainers {
  readonly #engine: DockerEngine
  readonly #findVswitch: FindVswitch

  constructor(engine: DockerEngine, findVswitch: FindVswitch) {
    this.#engine = engine
    this.#findVswitch = findVswitch
  }

  /**
   * Creates and starts a container, and plugs it in, on all of its vswitches or on none. When any step fails the
   * container is removed again. Throws what plugging throws, and IMAGE_NOT_FOUND, CONTAINER_NOT_RUNNING (it has ended at once),
   * DOCKER_UNREACHABLE, DOCKER_FAILED and TIMEOUT.
   */
  async start(vswitch: Vswitch, options: StartOptions): Promise<StartedContainer> {
    const nics = await findNics(vswitch, options.nics, this.#findVswitch)
    if (options.slot !== undefined) {
      for (const nic of nics) await this.#checkFree(nic.vswitch, options.slot)
      return this.#startIn(nics, options.slot, options)
    }
    const refused = new Set<number>()
    for (;;) {
      const slot = await this.#lowestFree(nics, refused)
      try {
        return await this.#startIn(nics, slot, options)
      } catch (error) {
        refused.add(slot)
        if (!isCode(error, 'SLOT_TAKEN') || refused.size === ATTEMPTS) throw error
      }
    }
  }

  /**
   * Connects a terminal to the container in a slot, until it ends or the detach keys are typed. Throws
   * SLOT_EMPTY, CONTAINER_NOT_FOUND or CONTAINER_NOT_RUNNING.
   */
  async attach(vswitch: Vswitch, slot: number, console: Console): Promise<ConsoleEnd> {
    const found = await this.#require(vswitch, slot)
    const container = await this.#engine.container(found.container)
    if (container.pid === 0) throw await ended(this.#engine, container)
    const { attachConsole } = await import('../docker/console.js')
    return attachConsole(this.#engine, container, console)
  }

  /**
   * Stops the container in a slot and takes it out; removes it unless `remove` is false. It is killed after
   * `timeoutSeconds`, 10 unless given. Throws SLOT_EMPTY or CONTAINER_NOT_FOUND.
   */
  async stop(
    vswitch: Vswitch,
    slot: number,
    { remove = true, timeoutSeconds, signal }: StopOptions = {},
  ): Promise<SlotContainer> {
    const found = await this.#require(vswitch, slot)
    const nics = await nicsThere(vswitch, found, this.#findVswitch)
    checkCancelled('stop', signal)
    await this.#engine.stop(found.container, timeoutSeconds)
    await takeOutHeld(nics, slot, found)
    if (remove) await this.#engine.remove(found.container)
    return found
  }

  /**
   * Restarts the container in a slot, running or not, and plugs it in again with the same addresses; with an
   * image, replaces it by a new container. When it cannot be plugged in, it is left stopped. Throws as
   * {@link start} and {@link stop} do.
   */
  async restart(vswitch: Vswitch, slot: number, options: RestartOptions = {}): Promise<StartedContainer> {
    const { image, timeoutSeconds, signal } = options
    if (image !== undefined) return this.#replace(vswitch, slot, { ...options, image })
    checkNothingNew(options)
    const found = await this.#require(vswitch, slot)
    const nics = await findNics(vswitch, found.nics, this.#findVswitch)
    const before = await portsIn(nics, slot)
    for (const [at, port] of before.entries()) {
      if (port === undefined || holds(port, found)) continue
      const hint = `Take that out first: --vswitch ${port.vswitch} unplug ${slot}`
      throw slotInUse(nics[at]?.vswitch ?? vswitch, slot, `now holds ${port.target}`, hint)
    }
    checkCancelled('restart', signal)
    await this.#engine.stop(found.container, timeoutSeconds)
    await takeOutAll(nics, slot)
    try {
      return await this.#run(nics, slot, found, { mtus: mtusOf(before, found.mtu), signal })
    } catch (error) {
      await this.#engine.stop(found.container, 0)
      throw error
    }
  }

  /** The container that was started in a slot, the running one before others. */
  async find(vswitch: Vswitch, slot: number): Promise<SlotContainer | undefined> {
    const found = await this.#listed([`${VSWITCH_LABEL}=${vswitch.name}`, `${SLOT_LABEL}=${slot}`])
    return found.find(({ state }) => state === 'running') ?? found[0]
  }

  /** All containers that were started in slots, running or not, by vswitch and slot. */
  async list(): Promise<SlotContainer[]> {
    const found = await this.#listed([VSWITCH_LABEL])
    return found.sort((a, b) => a.vswitch.localeCompare(b.vswitch) || a.slot - b.slot)
  }

  async #listed(labels: readonly string[]): Promise<SlotContainer[]> {
    const containers = await this.#engine.list(labels)
    return containers.flatMap(({ id, name, image, state, status, labels: marked }) => {
      const mark = decodeMark(name, marked)
      return mark === undefined ? [] : [{ container: id, image, state, status, ...mark }]
    })
  }

  async #lowestFree(nics: Nics, refused: ReadonlySet<number>): Promise<number> {
    const taken = new Set(refused)
    for (const container of await this.list()) {
      if (nics.some(({ vswitch }) => isOn(vswitch, container))) taken.add(container.slot)
    }
    return lowestFreeSlot(nics, taken)
  }

  async #checkFree(vswitch: Vswitch, slot: number): Promise<void> {
    checkSlot(parseSubnet(vswitch.subnet), slot)
    const [port, containers] = await Promise.all([vswitch.port(slot), this.list()])
    const found = containers.find((container) => container.slot === slot && isOn(vswitch, container))
    if (port !== undefined && port.state !== 'ghost') {
      throw slotInUse(vswitch, slot, `holds ${port.target}`, 'Choose another slot, or give none.')
    }
    if (found !== undefined) {
      const hint = `Go on with it (restart ${slot}), or remove it (stop ${slot}).`
      throw slotInUse(vswitch, slot, `is that of container ${found.name}, which is ${found.state}`, hint)
    }
  }

  async #startIn(nics: Nics, slot: number, options: StartOptions): Promise<StartedContainer> {
    const { image, args = [], env = [], volumes = [], privileged = false, tty = true, mtu, signal } = options
    checkCancelled('start', signal)
    const [{ vswitch }] = nics
    const ours = hostIfname(vswitch.name, slot)
    const { name = ours, hostname = ours } = options
    const { internal, dualNic, port, nics: further } = options
    const mark = encodeMark({
      vswitch: vswitch.name,
      slot,
      name,
      mtu,
      nics: further,
      internal,
      dualNic,
      port,
    })
    const labels = { ...mark, [START_LABEL]: randomUUID() }
    const spec = { name, hostname, image, args, env, volumes, labels, privileged, tty }
    const container = await this.#create(vswitch, slot, spec, options.name)
    try {
      return await this.#run(
        nics,
        slot,
        { container, name, internal, dualNic, port },
        { mtus: nics.map(() => mtu), signal },
      )
    } catch (error) {
      throw await removeAfter(this.#engine, asEcdockError(error, 'start'), container)
    }
  }

  /** Two starts that chose the same slot have chosen the same name: Docker lets one of them have it. */
  async #create(vswitch: Vswitch, slot: number, spec: ContainerSpec, chosen?: string): Promise<string> {
    try {
      return await this.#engine.create(spec)
    } catch (error) {
      if (isCode(error, 'TIMEOUT'))
        throw await removeUnanswered(this.#engine, asEcdockError(error, 'start'), spec)
      if (chosen !== undefined || !isConflict(error)) throw error
      const hint = `Give another name or slot, or remove it: docker rm -f ${spec.name}`
      throw slotInUse(vswitch, slot, `cannot be had: there is a container ${spec.name}`, hint)
    }
  }

  /** Starts a container that there is and plugs it in; when that fails, it may be left running, unplugged. */
  async #run(
    nics: Nics,
    slot: number,
    { container, name, internal, dualNic, port: settings }: Runnable,
    { mtus, signal }: { mtus: readonly (number | undefined)[]; signal?: AbortSignal | undefined },
  ): Promise<StartedContainer> {
    checkCancelled('start', signal)
    await this.#engine.start(container)
    let ports: Port[]
    try {
      ports = await plugIn(
        nics,
        slot,
        { container },
        {
          mtus,
          port: settings,
          ...(internal === true && { internal }),
          ...(dualNic === true && { dualNic }),
          ...(signal !== undefined && { signal }),
        },
      )
    } catch (error) {
      if (!isCode(error, 'CANCELLED')) await requireRunning(this.#engine, container)
      throw error
    }
    try {
      await requireRunning(this.#engine, container)
    } catch (error) {
      await takeOutAll(nics, slot)
      throw error
    }
    const [port, ...furtherPorts] = ports
    return { container, name, port: port as Port, ...(furtherPorts.length > 0 && { furtherPorts }) }
  }

  async #replace(
    vswitch: Vswitch,
    slot: number,
    { timeoutSeconds, ...options }: RestartOptions & { image: string },
  ): Promise<StartedContainer> {
    const { image, signal } = options
    await this.#engine.requireImage(image)
    const found = await this.find(vswitch, slot)
    const { name = found?.name, mtu = found?.mtu, nics = found?.nics } = options
    const { internal = found?.internal, dualNic = found?.dualNic, port = found?.port } = options
    await findNics(vswitch, nics, this.#findVswitch)
    if (found !== undefined) await this.stop(vswitch, slot, { timeoutSeconds, signal })
    return this.start(vswitch, { ...options, slot, name, mtu, nics, internal, dualNic, port })
  }

  async #require(vswitch: Vswitch, slot: number): Promise<SlotContainer> {
    checkSlot(parseSubnet(vswitch.subnet), slot)
    const found = await this.find(vswitch, slot)
    if (found !== undefined) return found
    throw nothingStarted(vswitch, slot, await vswitch.port(slot))
  }
}

function checkCancelled(op: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new EcdockError('CANCELLED', op, `the ${op} was cancelled`)
}

/** A container that there is, and what its interfaces are to be like. */
type Runnable = Pick<SlotContainer, 'container' | 'name' | 'internal' | 'dualNic' | 'port'>

/** Whether one of a container's interfaces is on this vswitch. */
function isOn({ name }: Vswitch, { vswitch, nics = {} }: SlotContainer): boolean {
  return vswitch === name || Object.values(nics).includes(name)
}
