SELECT token, epoch, position FROM expansion WHERE id = 1
