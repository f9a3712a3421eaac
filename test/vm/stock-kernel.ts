import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** A distribution's kernel as `node scripts/setup.mjs vm` has unpacked it. */
export interface StockKernel {
  /** What `uname -r` says of it, such as 6.1.0-18-cloud-amd64. */
  release: string
  /** The kernel's image, which QEMU starts. */
  image: string
  /** The directory of its modules, which is /lib/modules/RELEASE there. */
  modules: string
}

/** Finds it in the checkout; undefined when it has not been set up. */
export function stockKernel(root: string): StockKernel | undefined {
  const directory = join(root, '.setup', 'vm', 'kernel')
  for (const lib of ['lib', 'usr/lib']) {
    const all = join(directory, lib, 'modules')
    const release = existsSync(all) ? readdirSync(all)[0] : undefined
    if (release === undefined) continue
    const modules = join(all, release)
    const image = [join(directory, 'boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find(existsSync)
    if (image !== undefined) return { release, image, modules }
  }
  return undefined
}

/** Modules of networks, and what they are made of. The others wait for hardware that the machine has not got. */
const FOLDERS = /^kernel\/(net|lib|crypto|arch|drivers\/net)\//

/** Drivers of cards, which are the bulk of drivers/net. */
const CARDS = /^kernel\/drivers\/net\/(ethernet|wireless|usb|wan|phy|fddi|hamradio|ieee802154)\//

/** Whether the machine gets this file below a directory of modules. */
export function isModuleOfNetworks(path: string): boolean {
  return /^modules\./.test(path) || (FOLDERS.test(path) && !CARDS.test(path))
}
