/**
 * Somebody who plugs slots 1, 2, … of 10.0.0.0/16 into the target namespaces of the same numbers, and takes
 * them out again. Times are in ms. An operation that fails throws: a benchmark never skips a number.
 */
export interface Contestant {
  /** As the tables name it. */
  readonly name: ContestantName
  /** It takes part in fewer rounds, because each lasts for seconds. */
  readonly slow: boolean
  /** Plugs one and tells how long that took. */
  plug(slot: number): Promise<number>
  unplug(slot: number): Promise<number>
  /** Plugs `count` slots from 1 on in the fastest way it has, and tells how long all of them took. */
  plugAll(count: number): Promise<number>
  unplugAll(count: number): Promise<number>
  close(): Promise<void>
}

export type ContestantName =
  | 'ecdock-fast'
  | 'C floor'
  | 'C floor, regrouping'
  | 'C floor, default queues'
  | 'ip'
  | 'ip + ovs-vsctl'
  | 'ovs-docker'
  | 'docker-vde-plugin'
  | 'docker-vde-plugin, moved'
