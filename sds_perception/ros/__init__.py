"""The ROS 2 shell: the only place that knows rclpy and message types. No arithmetic lives here."""
