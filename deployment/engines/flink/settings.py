"""What Flink and its Java have to be told, and why."""

# Flink 1.16 is older than Java 17, which has closed what Flink and Beam reach into.
_JAVA = "lang lang.invoke lang.reflect io math net nio text time util util.concurrent "
_JAVA += "util.concurrent.atomic util.concurrent.locks"
_SUN = "nio.ch nio.cs security.action util.calendar"
JAVA_OPTIONS = (
    "-Xmx640m",
    "-XX:MaxDirectMemorySize=512m",
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    *(f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in _JAVA.split()),
    *(f"--add-opens=java.base/sun.{name}=ALL-UNNAMED" for name in _SUN.split()),
)

MASTER = {
    "jobmanager.rpc.address": "127.0.0.1",
    "jobmanager.rpc.port": "0",
    "jobmanager.bind-host": "127.0.0.1",
    "jobmanager.memory.heap.size": "512m",
    "rest.address": "127.0.0.1",
    "rest.bind-address": "127.0.0.1",
    "rest.port": "0",
    # A lost worker is given up after so many milliseconds; its tasks start again elsewhere.
    "heartbeat.interval": "3000",
    "heartbeat.timeout": "15000",
    "restart-strategy": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "20",
    "restart-strategy.fixed-delay.delay": "1 s",
}

# Flink's start scripts work the sizes out; without them each must be said.
WORKER = {
    "taskmanager.host": "127.0.0.1",
    "taskmanager.bind-host": "127.0.0.1",
    "taskmanager.numberOfTaskSlots": "1",
    "taskmanager.cpu.cores": "1.0",
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.heap.size": "512m",
    "taskmanager.memory.task.off-heap.size": "64m",
    "taskmanager.memory.managed.size": "256m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "128m",
    "taskmanager.memory.jvm-overhead.max": "128m",
    # All stages of an ingestion hold buffers at once; 64m were too few.
    "taskmanager.memory.network.min": "256m",
    "taskmanager.memory.network.max": "256m",
    "heartbeat.interval": "3000",
    "heartbeat.timeout": "15000",
}


def as_words(settings: dict[str, str]) -> list[str]:
    """Settings as the command line of a Flink daemon has them.

    Example:
        >>> as_words({"rest.port": "0"})
        ['-D', 'rest.port=0']
    """
    return [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
