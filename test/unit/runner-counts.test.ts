import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { doctestCounts, reportedCounts, uvuCounts } from '../runner/counts.js'

test('the counts of uvu are read from its closing lines', () => {
  const output = '• • •   (3 / 3)\n\n  Total:     3\n  Passed:    3\n  Skipped:   1\n  Duration:  0.80ms\n\n'
  assert.equal(uvuCounts(output), { passed: 3, failed: 0, skipped: 1 })
})

test('colours do not matter', () => {
  const output = '\n  Total:     2\u001b[31m\n  Passed:    1\u001b[39m\n  Skipped:   \u001b[33m1\u001b[39m\n'
  assert.equal(uvuCounts(output), { passed: 1, failed: 1, skipped: 1 })
})

test('a test that has not passed has failed, also when uvu says nothing about it', () => {
  assert.equal(uvuCounts('  Total:     5\n  Passed:    0\n  Skipped:   0\n'), {
    passed: 0,
    failed: 5,
    skipped: 0,
  })
})

test('output without counts has none', () => {
  assert.is(uvuCounts(''), undefined)
  assert.is(uvuCounts('Total: 3 things\nPassed: all'), undefined)
  assert.is(doctestCounts('Segmentation fault\n'), undefined)
})

test('the counts of doctest are read from its closing lines', () => {
  const output = [
    '[doctest] doctest version is "2.4.9"',
    '[doctest] test cases:  12 |  10 passed | 2 failed | 1 skipped',
    '[doctest] assertions: 105 | 103 passed | 2 failed |',
    '[doctest] Status: FAILURE!',
  ].join('\n')
  assert.equal(doctestCounts(output), { passed: 10, failed: 2, skipped: 1 })
})

test('doctest leaves out what it has not skipped', () => {
  assert.equal(doctestCounts('[doctest] test cases: 3 | 3 passed | 0 failed |\n'), {
    passed: 3,
    failed: 0,
    skipped: 0,
  })
})

test('the counts of a run that has been ended are those of the files that it has told of', () => {
  const output = [
    'ok     21.6 s  integration/kernel                   15 passed',
    'FAIL  600.6 s  integration/faults-ovs               11 passed, 4 failed, 1 skipped',
    '    ✘ •   (1 / 2)',
    '       FAIL  "7 passed"',
    'skip    0.0 s  integration/bridge                   0 passed, 3 skipped',
    'ok ',
  ].join('\n')
  assert.equal(reportedCounts(output), { passed: 26, failed: 4, skipped: 4 })
  assert.equal(reportedCounts(''), { passed: 0, failed: 0, skipped: 0 })
})

test.run()
