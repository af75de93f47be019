"""Real servers for the tests, on free loopback ports, gone when the tests are.

Tests take them as fixtures (`tests.real.fixtures`); benchmarks and scripts use the classes themselves:

    kafka.Kafka                    Apache Kafka in KRaft mode, one node or three
    mosquitto.Mosquitto            plain, or with TLS, passwords and an access list
    alertmanager.Alertmanager      with `amtool`'s view of it
    prometheus.Prometheus          scrapes one target; `promtool_check` judges a page of metrics
    proxy.Proxy                    between a client and a server: delay, cut, reset, swallow, a limit in bytes
    parts.missing                  what is not there, and how to get it
"""
