#: section docs/notifications.md ## Channels
echo "$RECEIVER" >address.txt
#: after
keywright channel deliveries --identifier on-call --json | grep -q '"delivered"'

#: section docs/notifications.md ## Event subscriptions
#: json eventually grep '"token.rotated"' received; grep '"token.rotated"' received | tail -n 1
echo "$RECEIVER" >address.txt
#: after
keywright token create --name told --permissions works:read --quiet
keywright token rotate --identifier told --reason 'to be told' --grace 1h --quiet

#: section docs/notifications.md ## Signatures
SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw WEBHOOK_ID=m WEBHOOK_TIMESTAMP=1 BODY='{}'
