"""Health checks of idle members and the replacement of broken clients."""
