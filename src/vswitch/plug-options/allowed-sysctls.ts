/** The settings below /proc/sys/net/FAMILY that a plug may write. */
export interface AllowedSysctls {
  /** Of the whole namespace. */
  keys: readonly string[]
  /** Of one interface each, by the directory that has one of each interface. */
  rooms: Readonly<Record<string, readonly string[]>>
}

/**
 * What belongs to a network namespace and not to the host (registered for each `struct net` by the kernel), and what
 * people set who build networks: Documentation/networking/ip-sysctl.rst has a paragraph on each.
 */
export const ALLOWED: Readonly<Record<string, AllowedSysctls>> = {
  core: { keys: ['somaxconn'], rooms: {} },
  ipv4: {
    keys: [
      'fib_multipath_hash_policy',
      'fib_multipath_use_neigh',
      'icmp_echo_ignore_all',
      'icmp_echo_ignore_broadcasts',
      'icmp_ratelimit',
      'igmp_max_memberships',
      'ip_default_ttl',
      'ip_forward',
      'ip_local_port_range',
      'ip_no_pmtu_disc',
      'ip_nonlocal_bind',
      'ip_unprivileged_port_start',
      'ping_group_range',
      'tcp_ecn',
      'tcp_fin_timeout',
      'tcp_keepalive_intvl',
      'tcp_keepalive_probes',
      'tcp_keepalive_time',
      'tcp_mtu_probing',
      'tcp_retries2',
      'tcp_rmem',
      'tcp_sack',
      'tcp_slow_start_after_idle',
      'tcp_syn_retries',
      'tcp_syncookies',
      'tcp_timestamps',
      'tcp_tw_reuse',
      'tcp_window_scaling',
      'tcp_wmem',
    ],
    rooms: {
      conf: [
        'accept_local',
        'accept_redirects',
        'accept_source_route',
        'arp_accept',
        'arp_announce',
        'arp_filter',
        'arp_ignore',
        'arp_notify',
        'forwarding',
        'ignore_routes_with_linkdown',
        'log_martians',
        'promote_secondaries',
        'proxy_arp',
        'proxy_arp_pvlan',
        'route_localnet',
        'rp_filter',
        'secure_redirects',
        'send_redirects',
        'shared_media',
        'src_valid_mark',
      ],
      neigh: [
        'base_reachable_time_ms',
        'delay_first_probe_time',
        'gc_stale_time',
        'mcast_solicit',
        'retrans_time_ms',
        'ucast_solicit',
      ],
    },
  },
  ipv6: {
    keys: ['bindv6only', 'fib_multipath_hash_policy', 'ip_nonlocal_bind'],
    rooms: {
      conf: [
        'accept_dad',
        'accept_ra',
        'accept_ra_defrtr',
        'accept_ra_pinfo',
        'accept_redirects',
        'accept_source_route',
        'addr_gen_mode',
        'autoconf',
        'dad_transmits',
        'disable_ipv6',
        'forwarding',
        'hop_limit',
        'ignore_routes_with_linkdown',
        'keep_addr_on_down',
        'ndisc_notify',
        'proxy_ndp',
        'router_solicitations',
        'seg6_enabled',
        'use_tempaddr',
      ],
      neigh: [
        'base_reachable_time_ms',
        'delay_first_probe_time',
        'gc_stale_time',
        'mcast_solicit',
        'retrans_time_ms',
        'ucast_solicit',
      ],
    },
  },
}
