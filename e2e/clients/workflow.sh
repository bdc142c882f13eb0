# "Example Workflow" of the product's public documentation, with the deployment's address.
SECRET=$(curl -s -X POST $API_URL/api/secrets/ \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"name": "my-app-secrets"}')

SECRET_ID=$(echo $SECRET | jq -r '.id')

# Add database password
curl -X POST $API_URL/api/secrets/$SECRET_ID/items/ \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"key": "DATABASE_PASSWORD", "value": "super-secret-db-password"}'

# Add API key
curl -X POST $API_URL/api/secrets/$SECRET_ID/items/ \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"key": "STRIPE_SECRET_KEY", "value": "sk_live_..."}'

curl -X POST $API_URL/api/services/ \
  -H "Authorization: Bearer $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "my-app",
    "image": "myapp:v1.0.0",
    "port": 8080,
    "config": "your-config-id",
    "secret": "'$SECRET_ID'"
  }'
