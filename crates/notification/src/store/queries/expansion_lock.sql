-- Changes nothing; holds the row until the commit, so that creating an endpoint and expanding take turns.
UPDATE expansion SET token = token WHERE id = 1 RETURNING epoch, position
