import type { EcdockError } from '../errors.js'
import type { DatabaseView } from '../vswitch/ovs/database-view.js'
import type { Vswitch } from '../vswitch/vswitch.js'

export interface Removal {
  /**
   * `port`: with its rows; `link`: an interface that belongs to no port; `vswitch`: one that is half made, or what stayed of
   * one that somebody has deleted; `slot`: the rows, the flow and the interfaces of an empty one; `mirror`: one of slots
   * that are no more. Two are mended instead: `process`, a switch process that has ended and is started again, and `tap`, a
   * port of kind `vde` whose tap was not plugged in.
   */
  kind: 'port' | 'link' | 'vswitch' | 'slot' | 'mirror' | 'process' | 'tap'
  name: string
  /** For people, such as `its device is gone`. */
  why: string
}

/** A removal, and how it is done. */
export interface Finding extends Removal {
  remove: () => Promise<void>
}

/** The vswitches of this host at one moment. */
export interface Sight {
  vswitches: readonly Vswitch[]
  /** What Open vSwitch's database says; or, when OVSDB did not answer, why. */
  database: DatabaseView | EcdockError
}
