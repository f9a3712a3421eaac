#pragma once

// What is said to a switch, as a rule.
namespace ecdock::fuzz {

inline constexpr const char* kControlLines[] = {
    "list",
    "list port=3",
    "status",
    "watch",
    "unplug port=1",
    "unplug port=2",
    "unplug port=7",
    "set max-ports=64",
    "tap",
    "tap port=5",
    "tap port=9 name=t label=%20x",
};

inline constexpr const char* kConsoleLines[] = {
    "help",
    "showinfo",
    "ds/showinfo",
    "debug/list",
    "debug/add",
    "debug/add hash",
    "debug/del port",
    "hash/showinfo",
    "hash/setsize 9",
    "hash/setsize 100000",
    "hash/setexpire 1",
    "hash/print",
    "hash/find 02:02:02:02:02:03 1",
    "port/showinfo",
    "port/setnumports 40",
    "port/sethub 1",
    "port/sethub 0",
    "port/setvlan 3 2",
    "port/setvlan 2 4095",
    "port/createauto",
    "port/create 7",
    "port/remove 7",
    "port/allocatable 3 0",
    "port/setuser 4 nobody",
    "port/setgroup 4 NONE",
    "port/epclose 2 20",
    "port/resetcounter",
    "port/print",
    "port/allprint 3",
    "vlan/create 1",
    "vlan/create 2",
    "vlan/create 3",
    "vlan/remove 2",
    "vlan/addport 1 2",
    "vlan/addport 2 3",
    "vlan/delport 2 3",
    "vlan/print",
    "vlan/allprint 2",
    "logout",
};

}  // namespace ecdock::fuzz
