"""Health checks of idle members, replacement of broken clients, outliers and leaks."""
