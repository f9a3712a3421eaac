import type { Subnet } from '../../addressing/subnet.js'
import type { Kernel } from '../../kernel/kernel.js'
import { OvsdbClient, type OvsdbOptions } from '../../ovsdb/client.js'
import { comment } from '../../ovsdb/operations.js'
import type { Backend, Surroundings } from '../backend.js'
import type { VswitchRecord } from '../record.js'
import { ovsBackend } from './backend.js'
import { createOvsBridge, deleteOvsBridge, listOvsBridges, type OvsBridgeOptions } from './bridge.js'
import { type DatabaseView, databaseView } from './database-view.js'
import { OpenVswitch } from './open-vswitch.js'

/**
 * The vswitches of kind `ovs` that an Open vSwitch has. Together with its protocols it is the larger half of this package,
 * so whoever may do without it loads this file when it is needed.
 */
export class OvsVswitches {
  readonly #ovs: OpenVswitch

  readonly #hasIpv6: boolean

  private constructor(ovs: OpenVswitch, hasIpv6: boolean) {
    this.#ovs = ovs
    this.#hasIpv6 = hasIpv6
  }

  /** `hasIpv6`: the kernel speaks it. Throws what {@link OvsdbClient.connect} throws. */
  static async connect(endpoint: string, options: OvsdbOptions, hasIpv6: boolean): Promise<OvsVswitches> {
    const client = await OvsdbClient.connect(endpoint, options)
    return new OvsVswitches(new OpenVswitch(client, endpoint), hasIpv6)
  }

  /** Waits until all that others have changed before is known here, too. Throws OVSDB_UNREACHABLE, OVSDB_LOST, TIMEOUT. */
  async refresh(timeoutMs: number): Promise<void> {
    await this.#ovs.client.transact([comment('ecdock-fast: look')], { timeoutMs })
  }

  /** Throws as {@link createOvsBridge} does; nothing is left behind then. */
  async create(
    kernel: Kernel,
    record: VswitchRecord,
    subnet: Subnet,
    options: OvsBridgeOptions & { hasIpv6: boolean },
  ): Promise<Backend> {
    await createOvsBridge(kernel, this.#ovs.client, record, subnet, options)
    const { usermode, neighSuppress } = options
    return ovsBackend({ ...record, usermode, neighSuppress }, this.#ovs, options.hasIpv6)
  }

  all(): Backend[] {
    return listOvsBridges(this.#ovs.client).map((record) => ovsBackend(record, this.#ovs, this.#hasIpv6))
  }

  find(name: string): Backend | undefined {
    return this.all().find((backend) => backend.name === name)
  }

  /** There is a bridge of that name, whoever has made it. */
  hasBridge(name: string): boolean {
    return this.view().hasBridge(name)
  }

  view(): DatabaseView {
    return databaseView(this.#ovs.client)
  }

  /** Deletes a vswitch and every port on it. */
  async delete({ name, internal }: Backend, around: Surroundings): Promise<void> {
    await internal?.unplug(internal.slots(), around)
    await deleteOvsBridge(around.kernel, this.#ovs.client, name)
    await this.#ovs.forget(name)
  }

  async close(): Promise<void> {
    await this.#ovs.close()
  }
}
