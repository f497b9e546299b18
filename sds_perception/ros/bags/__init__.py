"""ROS 2 bags played onto topics and recorded from them, without rosbag2."""
