"""Images, videos and bags through the vehicle's own Perceiver, every frame once, without ROS."""
