import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type {
  Console,
  ConsoleEnd,
  Host,
  Kernel,
  LinkRemoval,
  MarkedLink,
  Plan,
  PlanOutcome,
  RestartOptions,
  SlotContainer,
  SlotContainers,
  StartedContainer,
  StartOptions,
  StopOptions,
  Vswitch,
} from '../../src/index.js'
import * as surface from '../../src/index.js'

/** Only the compiler reads this: what a Host gives and takes has a name that can be imported. */
export interface Named {
  containers: (host: Host) => SlotContainers
  start: (sw: Vswitch, options: StartOptions) => Promise<StartedContainer>
  stop: (sw: Vswitch, slot: number, options: StopOptions) => Promise<SlotContainer>
  restart: (sw: Vswitch, slot: number, options: RestartOptions) => Promise<StartedContainer>
  run: (kernel: Kernel, plans: Plan[]) => Promise<PlanOutcome[]>
  remove: (kernel: Kernel, links: MarkedLink[]) => Promise<LinkRemoval[]>
  attach: (sw: Vswitch, slot: number, console: Console) => Promise<ConsoleEnd>
}

test('what the package gives at run time is this, and nothing else', () => {
  assert.equal(Object.keys(surface).sort(), ['ERROR_CODES', 'EcdockError', 'Host'])
})

test.run()
