{
  "target_defaults": {
    "cflags": ["-Wall", "-Wextra"],
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-fno-exceptions"],
    "include_dirs": ["native"]
  },
  "targets": [
    {
      "target_name": "ecdock_fast",
      "sources": ["<!@(node native/sources.cjs addon)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"]
    },
    {
      "target_name": "ecdock-switch",
      "type": "executable",
      "sources": ["<!@(node native/sources.cjs switch)"],
      "defines": ["ECDOCK_VERSION=\"<!(node -p \"require('./package.json').version\")\""],
      # The C++ library as a shared object would be most of what the process keeps in memory.
      "ldflags": ["<!@(${CXX:-g++} -print-file-name=libstdc++.a | grep -q ^/ && echo -static-libstdc++ -static-libgcc || true)"]
    }
  ]
}
