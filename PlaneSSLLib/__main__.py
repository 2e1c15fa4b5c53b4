from PlaneSSLLib.cli import main
from PlaneSSLLib.jobs import end_with_parent

end_with_parent()
raise SystemExit(main())
