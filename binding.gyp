{
  "targets": [
    {
      "target_name": "ecdock_fast",
      "sources": ["<!@(node -p \"require('fs').readFileSync('native/sources.txt', 'utf8').trim().split('\\n').map((source) => 'native/' + source).join(' ')\")"],
      "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
      "cflags": ["-Wall", "-Wextra"],
      "cflags_cc!": ["-std=gnu++17", "-fno-rtti"],
      "cflags_cc": ["-std=c++20", "-fno-exceptions"]
    }
  ]
}
