"""Where films, thumbnails and features lie: local disk or S3. Knows keys, not what they hold."""
