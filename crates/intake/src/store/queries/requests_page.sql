select requests.id, requests.body from requests where true
