#!/bin/bash
# make.sh IMAGE RECIPE-HASH: a few hundred kilobytes with a shell.
source "$(dirname "$0")/../image.sh"
publish <<'EOF'
#!/bin/sh
# Expands the placeholders of $STARTUP and becomes it.
cd /home/container
eval "exec $(printf '%s' "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')"
EOF
