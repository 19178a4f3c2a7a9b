"""Stand-ins for a SOAP service, an SFTP server and an AMQP broker, as threads on loopback ports: for the demo and users' tests."""
