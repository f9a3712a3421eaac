import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, hashOf, isStamped, stamp } from './stamp.mjs'
import { ROOT, run, step } from './step.mjs'

const FOLDERS = ['src', 'test', 'benchmarks']

/** Compiles src, test and benchmarks into dist when one of them has changed, and takes what has no source out of dist. */
export function compileTypeScript() {
  const sources = FOLDERS.flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts')))
  const hash = hashOf(['tsconfig.json', 'package.json', 'node_modules/typescript/package.json', ...sources])
  const products = new Set(sources.map((source) => join('dist', source.replace(/\.ts$/, ''))))
  const complete = [...products].every((product) => existsSync(join(ROOT, `${product}.js`)))
  if (complete && isStamped('typescript', hash)) return
  step('TypeScript', () => {
    for (const product of FOLDERS.flatMap((folder) => filesBelow(join('dist', folder)))) {
      if (!products.has(product.replace(/(\.d\.ts|\.js|\.js\.map)$/, ''))) rmSync(join(ROOT, product))
    }
    // An incremental compilation writes only what has changed, and would not bring back a file that was deleted.
    if (!complete) rmSync(join(ROOT, 'dist', '.tsbuildinfo'), { force: true })
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])
  })
  stamp('typescript', hash)
}
