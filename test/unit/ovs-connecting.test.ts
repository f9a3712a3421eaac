import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { connectsAtATime } from '../../src/vswitch/ovs/connection.js'

test('48 ports and more are connected in halves, as long as there are 128 at most', () => {
  assert.is(connectsAtATime(1, 1), 1)
  assert.is(connectsAtATime(47, 1), 47)
  assert.is(connectsAtATime(48, 1), 24)
  assert.is(connectsAtATime(101, 1), 51)
  assert.is(connectsAtATime(127, 1), 64)
  assert.is(connectsAtATime(128, 1), 128)
  assert.is(connectsAtATime(60, 68), 30)
  assert.is(connectsAtATime(60, 69), 60)
})

test.run()
