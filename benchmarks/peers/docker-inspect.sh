#!/bin/sh
# Stands in for `docker inspect -f {{.State.Pid}} NAME`: the process ids are files in $TARGET_PIDS.
read -r pid <"$TARGET_PIDS/$4"
echo "$pid"
