#!/bin/bash
# make.sh IMAGE RECIPE-HASH: Freeciv's server from Debian's packages.
source "$(dirname "$0")/../image.sh"
unpack freeciv-server freeciv-data
program usr/games/freeciv-server
mkdir -p "$root/usr/share/games"
cp -a "$files/usr/share/games/freeciv" "$root/usr/share/games/"
publish <<'EOF'
#!/bin/sh
# As the images that published eggs name do it: say the startup command, expand its placeholders, become it.
cd /home/container
command=$(printf '%s' "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')
printf 'container@raptor~ %s\n' "$command"
eval "exec $command"
EOF
