# The README's session, from the first check to a ticket that is printed once.
export SCALE_PORT=$(python -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
python -m weighbridge.simulator "$SCALE_PORT" &
trap "kill $!" EXIT
until python -c "import socket; socket.create_connection(('127.0.0.1', $SCALE_PORT))" 2>/dev/null; do sleep 0.1; done

drawbar check
drawbar tools | grep -q scale.print_ticket
drawbar call scale.read_weight | grep -q 12340
drawbar run weigh_delivery --input '{"delivery": "D-4711", "plate": "M-AB 123"}' --follow
drawbar call scale.find_ticket reference=D-4711 | grep -q M-AB
drawbar --json call scale.print_ticket "vehicle=M-AB 123" reference=D-4712 | tee first.json
drawbar --json call scale.print_ticket "vehicle=M-AB 123" reference=D-4712 | tee second.json
cmp first.json second.json
